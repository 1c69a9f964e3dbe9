"""A client that dawdles over its headers is cut off; one that is merely slow with its body, or idle, is not ours to end."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from modules.serve.protocol import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class HastyProtocol(PatientProtocol):
    header_seconds = 0.4


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await asyncio.sleep(0.8)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def port() -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(hello, http=HastyProtocol, lifespan="off", log_level="critical"))
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=asyncio.run, args=(server.serve([listener]),), daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True


@pytest.mark.parametrize("beginning", [b"", REQUEST[:20]])
def test_headers_that_never_end_are_cut_off(port: int, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(beginning)
        assert connection.recv(100) == b""


def test_dripping_headers_do_not_prolong_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        started = time.monotonic()
        with pytest.raises(ConnectionError):
            drip(connection, REQUEST[:-4] * 50)
        assert time.monotonic() - started < 3


def drip(connection: socket.socket, headers: bytes) -> None:
    for byte in headers.replace(b"\n", b"x"):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def test_a_slow_answer_is_waited_for_and_the_next_request_is_watched_again(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(REQUEST[:20])
        assert connection.recv(100) == b""
