"""A listener that counts who came and keeps what they sent; it answers whatever a test says."""

import socket
import threading
from collections.abc import Callable
from typing import Self

Answering = Callable[[bytes, socket.socket], None]


def answering(content: bytes) -> Answering:
    return lambda _request, connection: connection.sendall(content)


def http_answer(body: bytes = b"{}", status: str = "200 OK", headers: str = "Content-Type: application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n\r\n"
    return head.encode() + body


class Canary:
    """On a free port of 127.0.0.1, and of ::1 where there is one; `requests` are the first bytes of every visitor."""

    def __init__(self, answer: Answering | None = None) -> None:
        self.requests: list[bytes] = []
        self._answer = answer or answering(http_answer())
        self._listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                request = whole_request(connection)
                self.requests.append(request)
                self._answer(request, connection)
            except OSError:
                self.requests.append(b"")


def whole_request(connection: socket.socket) -> bytes:
    """Head and body, as far as Content-Length says."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0] and (part := connection.recv(65536)):
        body += part
    return head + b"\r\n\r\n" + body
