"""Bodies are bounded before anyone parses them: size, time, and the depth of JSON."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from modules.front.asgi import Message, Receive, Refused, Scope, header
from modules.limits import LIMITS

UPLOAD_PATH = "/gradio_api/upload"
UPLOAD_BYTES = 100 * 1024 * 1024
UPLOAD_SECONDS = 600.0
DATASET_FILES = "/control/datasets/files/"
EXTENSION_FILES = "/control/extensions/uploads/"
DRAIN_BYTES = 32 * 1024 * 1024
DRAIN_SECONDS = 2.0
FORM_KINDS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
# Opening brackets count up, closing ones down (255 is -1 as a signed byte).
STEPS = bytes(1 if byte in b"[{" else 255 for byte in range(256))
NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


@dataclass(frozen=True)
class Bound:
    """How much may come in a body, and how long it may take."""

    size_bytes: int
    seconds: float


class Incoming:
    """A request's messages, and whether its body has ended."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Throw away the rest. A client that is cut off while it sends never sees why it was refused."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and size < DRAIN_BYTES:
                    size += len((await self.receive()).get("body", b""))


def body_kind(scope: Scope) -> str:
    """The content type without its parameters, in lower case."""
    return header(scope, b"content-type").partition(";")[0].strip().lower()


def has_body(scope: Scope) -> bool:
    return header(scope, b"content-length") not in {"", "0"} or bool(header(scope, b"transfer-encoding"))


def bound_of(scope: Scope) -> Bound:
    if is_upload(scope) and scope["path"].startswith(EXTENSION_FILES):
        return Bound(LIMITS.extension_upload_bytes, LIMITS.extension_upload_seconds)
    if is_upload(scope):
        return Bound(LIMITS.dataset_upload_bytes, LIMITS.dataset_upload_seconds)
    if scope["path"] == UPLOAD_PATH and body_kind(scope) == "multipart/form-data":
        return Bound(UPLOAD_BYTES, UPLOAD_SECONDS)
    return Bound(LIMITS.body_bytes, LIMITS.body_seconds)


def is_upload(scope: Scope) -> bool:
    """A file's bytes as they are, of any type: browsers let no page of another site send PUT unasked."""
    return scope["method"] == "PUT" and scope["path"].startswith((DATASET_FILES, EXTENSION_FILES))


def check_declared_length(scope: Scope, limit: int) -> None:
    """Raises Refused before a byte was read where the client says itself that it is too much."""
    declared = header(scope, b"content-length")
    if not declared:
        return
    if not (declared.isascii() and declared.isdigit()):
        raise Refused(400, "Content-Length must be a whole number.")
    if len(declared) > 15 or int(declared) > limit:
        raise too_large(limit)


async def read_body(receive: Receive, limit: int, seconds: float) -> bytes:
    """The whole body. Raises Refused when it is larger than `limit` bytes, or slower than `seconds`."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
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
        raise too_slow(seconds) from error
    return b"".join(parts)


def check_depth(body: bytes) -> None:
    if is_too_deep(body):
        raise Refused(
            400, f"The JSON is nested deeper than {LIMITS.json_depth} levels, which is the limit.", "too_deep"
        )


def is_too_deep(body: bytes) -> bool:
    """Linear in time and memory; brackets inside strings do not count.

    What stands outside strings are the even pieces between quotes, once escapes are gone.
    """
    if body.count(b"[") + body.count(b"{") <= LIMITS.json_depth:
        return False
    outside = b"".join(body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    steps = outside.translate(STEPS, NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > LIMITS.json_depth


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


def streamed(receive: Receive, bound: Bound, refuse: Callable[[Refused], Awaitable[None]]) -> Receive:
    """A body that is passed on as it comes. Past a limit the client is told, and the application sees it leave."""
    deadline = time.monotonic() + bound.seconds
    size = 0
    whole = False

    async def pass_on() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                message = await receive()
        except TimeoutError:
            await refuse(too_slow(bound.seconds))
            return {"type": "http.disconnect"}
        size += len(message.get("body", b""))
        if size > bound.size_bytes:
            await refuse(too_large(bound.size_bytes))
            return {"type": "http.disconnect"}
        whole = not message.get("more_body", False)
        return message

    return pass_on


def too_large(limit: int) -> Refused:
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
    return Refused(413, f"The body is larger than {size}, which is the limit.", "body_too_large")


def too_slow(seconds: float) -> Refused:
    return Refused(408, f"The body did not arrive within {seconds:g} seconds, which is the limit.", "body_too_slow")
