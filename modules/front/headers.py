"""What every answer says to the browser: nothing is loaded from elsewhere, nothing is framed, nothing is guessed."""

from modules.front.asgi import Message, Send

# Gradio's components need inline styles, inline scripts and eval.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; connect-src 'self' data: blob:; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
ADDED = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
REMOVED = frozenset({name for name, _ in ADDED})
CORS = b"access-control-"


def with_safe_headers(send: Send, extra: tuple[tuple[bytes, bytes], ...] = ()) -> Send:
    """Replaces what the application behind may have said of the same; no other page is ever given leave to read."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if name.lower() not in REMOVED and not name.lower().startswith(CORS)
            ]
            message["headers"] = [*kept, *ADDED, *extra]
        await send(message)

    return send_safely
