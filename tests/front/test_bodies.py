"""Bodies and streams through the guard: bounded, and otherwise untouched."""

import asyncio
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from modules.front.access import AccessRules
from modules.front.bodies import DATASET_FILES, EXTENSION_FILES, UPLOAD_PATH, is_too_deep
from modules.limits import LIMITS
from tests.front.served import build_guard, call, serve

OPEN = AccessRules()
MULTIPART = "multipart/form-data; boundary=x"
CHAT = "/v1/chat/completions"
CHUNKED = {"transfer_encoding": "chunked"}
JSON = {"content_type": "application/json"}
REQUESTS = 300


async def refuse_to_end(_scope: Any, receive: Any, _send: Any) -> None:
    """As frameworks do: a client that leaves in the middle of its body is an error."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    raise ConnectionError(message["type"])


def test_a_streamed_body_that_grows_too_large_is_refused() -> None:
    parts = [b"x" * 2**20] * 5
    for inner in ({"inner": refuse_to_end}, {}):
        guard = build_guard(OPEN, **inner)
        status, _, body = asyncio.run(
            call(guard, parts, method="POST", path="/ui/x", content_type=MULTIPART, **CHUNKED)
        )
        assert status == 413
        assert "4 MiB" in json.loads(body)["error"]["message"]


def test_buffered_bodies_that_grow_too_large_are_refused() -> None:
    guard = build_guard(OPEN)
    for kind in ("application/json", "text/plain", ""):
        request = call(guard, [b" " * 2**20] * 5, method="POST", path="/ui/x", content_type=kind, **CHUNKED)
        assert asyncio.run(request)[0] == 413


@pytest.mark.parametrize("kind", ["application/json", MULTIPART])
def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("modules.front.bodies.LIMITS", replace(LIMITS, body_seconds=0.1))
    started = time.monotonic()
    status, _, body = asyncio.run(
        call(
            build_guard(OPEN),
            [b"{"],
            complete=False,
            method="POST",
            path="/ui/x",
            content_type=kind,
            content_length="9",
        )
    )
    assert status == 408
    assert "0.1 seconds" in json.loads(body)["error"]["message"]
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("files", [DATASET_FILES, f"{EXTENSION_FILES}sample/"])
def test_files_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch, files: str) -> None:
    limits = replace(LIMITS, dataset_upload_bytes=8 * 2**20, extension_upload_bytes=8 * 2**20)
    monkeypatch.setattr("modules.front.bodies.LIMITS", limits)
    path = f"{files}a.jsonl"
    guard = build_guard(AccessRules(api_key="some-key", admin_key="admin-key"))
    for megabytes, kind, status in ((6, "", 200), (6, "text/csv", 200), (9, "", 413)):
        lines = {"content_type": kind, "authorization": "Bearer admin-key", **CHUNKED}
        request = call(guard, [b"x" * 2**20] * megabytes, method="PUT", path=path, **lines)
        assert asyncio.run(request)[0] == status, (megabytes, kind)
    for method, elsewhere in (
        ("POST", path),
        ("PUT", files.split("/files/", maxsplit=1)[0].split("/uploads/", maxsplit=1)[0]),
    ):
        lines = {"authorization": "Bearer admin-key", **CHUNKED}
        request = call(guard, [b"x" * 2**20] * 6, method=method, path=elsewhere, **lines)
        assert asyncio.run(request)[0] in {413, 415}, (method, elsewhere)
    assert asyncio.run(call(guard, [b"x"], method="PUT", path=path, content_length="1"))[0] == 401
    declared = call(guard, [b"x"], method="PUT", path=path, content_length=str(9 * 2**20))
    assert asyncio.run(declared)[0] == 413


def test_uploads_may_be_larger_but_only_for_those_who_are_in() -> None:
    large = b"x" * (LIMITS.body_bytes + 1)
    for served in serve(OPEN):
        assert served.ask("POST", UPLOAD_PATH, large, content_type=MULTIPART)[0] == 200
        assert served.ask("POST", "/ui/x", large, content_type=MULTIPART)[0] == 413
        assert served.ask("POST", UPLOAD_PATH, large, content_type="application/json")[0] == 413
    for served in serve(AccessRules(api_key="some-key")):
        assert served.ask("POST", UPLOAD_PATH, large, content_type=MULTIPART)[0] == 401


def test_who_sends_too_much_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is far too much, or when the rest never comes."""
    for served in serve(OPEN):
        status, _, body = served.ask("POST", CHAT, b"x" * (30 * 2**20), **JSON)
        assert status == 413
        assert "4 MiB" in json.loads(body)["error"]["message"]
        monkeypatch.setattr("modules.front.bodies.DRAIN_SECONDS", 0.1)
        started = time.monotonic()
        assert served.ask("POST", UPLOAD_PATH, b"x", content_type=MULTIPART, content_length=str(101 * 2**20))[0] == 413
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.api+json", "text/plain", ""])
def test_no_name_for_json_hides_its_depth(kind: str) -> None:
    for served in serve(OPEN):
        assert served.ask("POST", "/gradio_api/queue/join", b"[" * 33 + b"]" * 33, content_type=kind)[0] == 400
        assert served.ask("POST", "/gradio_api/queue/join", b"[" * 32 + b"]" * 32, content_type=kind)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b"a" * LIMITS.body_bytes + b'"]' + b"[]" * 40,
        b'["' + b'\\"' * (LIMITS.body_bytes // 2) + b'"]' + b"[]" * 40,
        b"[]," * (LIMITS.body_bytes // 3),
        (b"[" * 32 + b"]" * 32) * (LIMITS.body_bytes // 64),
        b'"' * LIMITS.body_bytes + b"[]" * 40,
        b"\\" * LIMITS.body_bytes + b"[]" * 40,
    ],
    ids=["one string", "escapes", "pairs", "nests", "quotes", "backslashes"],
)
def test_measuring_the_depth_is_quick(body: bytes) -> None:
    started = time.monotonic()
    assert not is_too_deep(body)
    assert time.monotonic() - started < 1
    assert is_too_deep(body + b'"' * (body.count(b'"') % 2) + b"[" * 33)


def test_a_post_without_a_body_needs_no_type() -> None:
    for served in serve(OPEN):
        assert served.ask("POST", "/v1/completions")[0] == 200
        assert served.ask("POST", "/v1/completions", b"x")[0] == 415


@pytest.mark.parametrize("name", ["Origin", "Authorization", "X-Api-Key", "Content-Type", "Sec-Fetch-Site"])
def test_headers_that_decide_are_there_once(name: str) -> None:
    for served in serve(OPEN):
        line = f"{name}: same-origin\r\n" if name != "Origin" else "Origin: http://localhost\r\n"
        head = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        assert served.raw(f"{head}{line}\r\n".encode())[0] == 200
        assert served.raw(f"{head}{line}{line}\r\n".encode())[0] == 400


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET http://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b: c\x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
    ids=["negative", "two lengths", "gzip", "absolute", "NUL", "NUL header", "TLS", "long path", "long query"],
)
def test_malformed_requests_are_client_errors(request_bytes: bytes) -> None:
    for served in serve(OPEN):
        status, _, body = served.raw(request_bytes)
        # 501 is the server's own word for an encoding it does not know.
        assert 400 <= status < 500 or status == 501
        assert b"localhost" not in body
        # The control: whoever writes plainly is still answered.
        assert served.ask(path="/health")[0] == 200


class Streaming:
    """Sends a chunk each time it is let, and notes when its reader leaves."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.left = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        leaving = asyncio.create_task(receive())
        for number in range(2):
            await asyncio.to_thread(self.go.acquire)
            await send({"type": "http.response.body", "body": f"chunk {number}".encode(), "more_body": True})
        assert (await leaving)["type"] == "http.disconnect"
        self.left.set()


@pytest.mark.parametrize("kind", ["application/json", MULTIPART])
def test_streams_pass_at_once_and_leaving_is_told_truthfully(kind: str) -> None:
    streaming = Streaming()
    for served in serve(OPEN, inner=streaming):
        head = f"POST /ui/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}"
        with socket.create_connection(("127.0.0.1", served.port), 10) as connection:
            connection.sendall(head.encode())
            for number in range(2):
                streaming.go.release()
                answer = b""
                while f"chunk {number}".encode() not in answer:
                    answer += connection.recv(4096)
                assert b"chunk 1" not in answer or number == 1
            assert not streaming.left.wait(0.1)
        assert streaming.left.wait(5)


def test_a_fault_behind_the_guard_is_an_answer_that_tells_nothing() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("/home/someone/secret")

    for served in serve(OPEN, inner=fail):
        status, headers, body = served.ask()
        assert status == 500
        assert json.loads(body)["error"]["type"] == "server_error"
        assert b"secret" not in body
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.alone
def test_a_request_costs_little() -> None:
    """Far below what a person or a client notices; the bound is loose for busy machines."""
    guard = build_guard(AccessRules(api_key="some-key"))

    async def ask_many() -> float:
        body = b'{"messages": "' + b"x" * 2000 + b'"}'
        started = time.perf_counter()
        for _ in range(REQUESTS):
            status, _, _ = await call(guard, [body], method="POST", path=CHAT, x_api_key="some-key", **JSON, **CHUNKED)
            assert status == 200
        return (time.perf_counter() - started) / REQUESTS

    assert asyncio.run(ask_many()) < 0.002
