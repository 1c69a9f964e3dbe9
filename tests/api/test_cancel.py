"""A client that leaves frees its slot, whatever its request was doing; nobody else's is touched."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.program import RunningProgram

# Generous, for machines that others use too; the benchmarks hold the figures.
SLOT_FREE_SECONDS = 5.0

LONG = {
    "messages": [{"role": "user", "content": "Write a very long story. " * 3}],
    "ignore_eos": True,
    "max_tokens": 6000,
}


def leave_after(program: RunningProgram, body: dict[str, Any], ready: Any, *, stream: bool) -> float:
    """Send a request, leave once `ready()` is true; returns when we left."""
    content = json.dumps({"model": program.status()["id"], **body, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", program.port)) as connection:
        connection.sendall(head.encode() + content)
        deadline = time.monotonic() + 20
        while not ready():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    return time.monotonic()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("repetition", range(3))
def test_leaving_while_it_decodes(starter_program: RunningProgram, stream: bool, repetition: int) -> None:
    def decoding() -> bool:
        time.sleep(0.5)
        return starter_program.status()["running"] == 1

    left = leave_after(starter_program, LONG, decoding, stream=stream)
    starter_program.wait_for_status(lambda status: status["running"] == 0, 10)
    assert time.monotonic() - left < SLOT_FREE_SECONDS


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_while_it_reads(starter_program: RunningProgram, stream: bool) -> None:
    words = " ".join(f"word{number}-{stream}" for number in range(700))
    body = {**LONG, "messages": [{"role": "user", "content": words}]}
    left = leave_after(starter_program, body, lambda: starter_program.status()["running"] == 1, stream=stream)
    starter_program.wait_for_status(lambda status: status["running"] == 0, 10)
    assert time.monotonic() - left < SLOT_FREE_SECONDS


def test_leaving_the_queue_is_never_computed(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"text": "x ", "delay_ms": 20}] * 200))
    arguments = (
        "--no-ui",
        "--model",
        "echo",
        "--slots",
        "1",
        "--echo-script",
        str(script),
        "--admin-key",
        "test-admin",
    )
    with RunningProgram(tmp_path, *arguments) as program:
        program.wait_until_loaded()
        texts: list[str] = []

        def keep() -> None:
            with program.client() as client:
                reply = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "kept"}]})
                texts.append(reply.json()["choices"][0]["message"]["content"])

        kept = threading.Thread(target=keep)
        kept.start()
        program.wait_for_status(lambda status: status["running"] == 1)
        left = leave_after(program, LONG, lambda: program.status()["queued"] == 1, stream=True)
        program.wait_for_status(lambda status: status["queued"] == 0, 2)
        assert time.monotonic() - left < SLOT_FREE_SECONDS
        kept.join()
        assert texts == ["x " * 200]
        assert program.status()["tokens_evaluated"] == 201


def test_the_line_has_an_end(tmp_path: Path) -> None:
    """Past the cap a request is told to come back, at once and politely; those inside are all served."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"delay_ms": 4000}, {"text": "done"}]))
    arguments = (
        "--no-ui",
        "--model",
        "echo",
        "--slots",
        "64",
        "--echo-script",
        str(script),
        "--admin-key",
        "test-admin",
    )
    with RunningProgram(tmp_path, *arguments) as program:
        program.wait_until_loaded()
        answers: list[tuple[int, str | None]] = []
        client = httpx.Client(base_url=program.url, timeout=60, limits=httpx.Limits(max_connections=None))

        def ask() -> None:
            reply = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]})
            answers.append((reply.status_code, reply.headers.get("retry-after")))

        threads = [threading.Thread(target=ask) for _ in range(64 + 64 + 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        served = [status for status, _ in answers if status == 200]
        refused = [wait for status, wait in answers if status == 429]
        assert len(served) + len(refused) == 148
        assert 20 <= len(refused) <= 84
        assert all(wait for wait in refused)
        assert program.status()["running"] == program.status()["queued"] == 0
