"""The little of ASGI that the front needs, without a framework."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


class Refused(Exception):
    """A request that goes no further; becomes an answer in the shape its area expects."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


def headers_named(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def header(scope: Scope, name: bytes) -> str:
    """The only or last header of this name as text; empty when there is none."""
    values = headers_named(scope, name)
    return values[-1].decode("latin-1") if values else ""


def error_body(message: str, status: int, code: str | None) -> bytes:
    """OpenAI's error shape, which all clients understand."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


async def send_whole(
    send: Send, status: int, content: bytes, content_type: bytes, headers: tuple[Header, ...] = ()
) -> None:
    own = ((b"content-type", content_type), (b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": content})
