"""What every answer says to the browser: nothing is loaded from elsewhere, nothing is framed, nothing is guessed."""

from collections.abc import Iterable

from modules.front.asgi import Header

# Gradio's components need inline styles, inline scripts and eval.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; connect-src 'self' data: blob:; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# What an extension answers may be looked at; it is no page of ours: no scripts, no forms, an origin of its own.
SANDBOX: Header = (
    b"content-security-policy",
    b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; font-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
ADDED = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CORS = b"access-control-"
COOKIE = b"set-cookie"


def safe_headers(given: Iterable[Header], added: Iterable[Header]) -> list[Header]:
    """Ours replace what the application behind may have said of the same; no other page is given leave to read.

    What is in `added` takes the place of what is usual.
    """
    further = list(added)
    ours = [*(line for line in ADDED if line[0] not in {name for name, _ in further}), *further]
    replaced = {name for name, _ in ours if name != COOKIE}
    kept = [
        (name, value) for name, value in given if name.lower() not in replaced and not name.lower().startswith(CORS)
    ]
    return [*kept, *ours]
