"""Bodies are bounded before anyone parses them: size, time, and the depth of JSON."""

import asyncio
import re

from modules.front.asgi import Message, Receive, Refused, Scope, header
from modules.limits import LIMITS

STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
UPLOAD_BYTES = 100 * 1024 * 1024


def byte_limit(scope: Scope) -> int:
    return UPLOAD_BYTES if scope["path"].startswith("/gradio_api/upload") else LIMITS.body_bytes


def check_declared_length(scope: Scope, limit: int) -> None:
    """Raises Refused before a byte was read where the client says itself that it is too much."""
    declared = header(scope, b"content-length")
    if not declared:
        return
    if not (declared.isascii() and declared.isdigit()):
        raise Refused(400, "Content-Length must be a whole number.")
    if len(declared) > 15 or int(declared) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Refused:
    return Refused(413, f"The body is larger than {limit // 2**20} MiB, which is the limit.", "body_too_large")


async def read_json_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises Refused when it is too large, too slow or too deeply nested."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(LIMITS.body_seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "The request ended in the middle of its body.")
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                parts.append(part)
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise Refused(408, f"The body did not arrive within {LIMITS.body_seconds:g} seconds.") from error
    body = b"".join(parts)
    if is_too_deep(body):
        raise Refused(
            400, f"The JSON is nested deeper than {LIMITS.json_depth} levels, which is the limit.", "too_deep"
        )
    return body


def is_too_deep(body: bytes) -> bool:
    """Linear in the body's length; brackets inside strings do not count."""
    if body.count(b"[") + body.count(b"{") <= LIMITS.json_depth:
        return False
    depth = 0
    for bracket in STRINGS.sub(b"", body).translate(None, NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > LIMITS.json_depth:
            return True
    return False


def replayed(body: bytes, receive: Receive) -> Receive:
    """Delivers the body that was read already, then whatever comes, such as the client's leaving."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def capped(receive: Receive, limit: int) -> Receive:
    """For bodies that are streamed on, such as uploads: too much reads as a client that left."""
    size = 0

    async def count() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if size > limit else message

    return count
