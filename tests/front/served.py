"""The guard around a tiny application: behind a real server for raw sockets, or called directly."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import uvicorn

from modules.front.access import AccessRules
from modules.front.guard import Guard
from modules.front.hosts import HostRules
from modules.front.sessions import Sessions

Inner = Callable[[Any, Any, Any], Awaitable[None]]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers what it was asked and who the guard says is asking, with headers a careless application might add."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    who = scope["parlor"]
    facts = {"path": scope["path"], "bytes": len(body), "kind": who.kind, "session": who.session_id}
    content = json.dumps(facts).encode()
    headers = [
        (b"content-length", str(len(content)).encode()),
        (b"access-control-allow-origin", b"*"),
        (b"x-frame-options", b"ALLOWALL"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def build_guard(rules: AccessRules, inner: Inner = echo) -> Guard:
    return Guard(inner, rules, HostRules("127.0.0.1", ()), Sessions(b"s" * 32, rules.credentials, 7860))


async def call(
    guard: Guard,
    parts: Iterable[bytes] = (b"",),
    *,
    complete: bool = True,
    method: str = "GET",
    path: str = "/",
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """One request without a server: (status, headers, body). Of a body that is not `complete` the rest never comes."""
    lines = {"host": "localhost", **headers}
    waiting = [*parts]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not complete}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in lines.items()],
    }
    await guard(scope, receive, send)
    start, *rest = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, b"".join(message["body"] for message in rest)


class Served:
    """A guard behind a real uvicorn on a free port."""

    def __init__(
        self,
        rules: AccessRules,
        bind_host: str = "127.0.0.1",
        configured: tuple[str, ...] = (),
        inner: Inner = echo,
    ) -> None:
        self.sessions = Sessions(b"s" * 32, rules.credentials, 7860)
        self.guard = Guard(inner, rules, HostRules(bind_host, configured), self.sessions)
        config = uvicorn.Config(self.guard, port=0, lifespan="off", log_level="critical")
        self.server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        threading.Thread(target=asyncio.run, args=(self.server.serve([listener]),), daemon=True).start()
        while not self.server.started:
            time.sleep(0.01)

    def ask(
        self, method: str = "GET", path: str = "/", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers by lower name, body); `host` defaults to ours."""
        lines = {"host": f"localhost:{self.port}", "connection": "close", **headers}
        if body or method in {"POST", "PUT"}:
            lines.setdefault("content_length", str(len(body)))
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        return self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body)

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        return int(status.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body


def serve(rules: AccessRules, **options: Any) -> Iterator[Served]:
    served = Served(rules, **options)
    yield served
    served.server.should_exit = True
