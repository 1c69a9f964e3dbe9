"""/control/datasets of a running program, as the page uses it."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import RunningProgram

CHATS = b"\n".join(
    json.dumps({"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]}).encode()
    for n in (1, 2, 1)
)


@pytest.fixture
def datasets(echo_program: RunningProgram) -> Path:
    return echo_program.data / "datasets"


def stored(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_a_check_as_a_job(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        client.put("/control/datasets/files/checked.jsonl", content=CHATS)
        source = {"source": {"dataset": "checked.jsonl"}}
        job = client.post("/control/datasets/checks", json=source).json()["job"]
        deadline = time.monotonic() + 60
        while (answer := client.get(f"/control/datasets/checks/{job['id']}")).status_code == 404:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer.json() == client.post("/control/datasets/check", json=source).json()
        assert client.get("/control/datasets/checks/nobody").status_code == 404
        client.post("/control/datasets/delete", json={"name": "checked.jsonl"})


def test_what_was_downloaded_is_listed_and_deleted(echo_program: RunningProgram) -> None:
    cache = echo_program.data / "hub-datasets"
    for place in (
        "hub/datasets--someone--data/blobs/a",
        "someone___data/default/b",
        "hub/.locks/datasets--someone--data/l",
    ):
        (cache / place).parent.mkdir(parents=True)
        (cache / place).write_bytes(b"12345")
    with echo_program.control() as client:
        [listed] = client.get("/control/datasets/hub").json()["datasets"]
        assert (listed["name"], listed["size_bytes"]) == ("someone/data", 10)
        assert client.post("/control/datasets/hub/delete", json={"name": "../data"}).status_code == 404
        assert client.post("/control/datasets/hub/delete", json={"name": "someone/data"}).status_code == 200
        assert client.get("/control/datasets/hub").json() == {"datasets": []}
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_file_is_uploaded_looked_at_checked_and_deleted(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        answer = client.put("/control/datasets/files/chats ä.jsonl", content=CHATS)
        assert answer.status_code == 200, answer.text
        assert (
            answer.json()["dataset"].items() >= {"name": "chats ä.jsonl", "size_bytes": len(CHATS), "files": 1}.items()
        )
        [listed] = client.get("/control/datasets").json()["datasets"]
        assert listed["name"] == "chats ä.jsonl"
        source = {"source": {"dataset": "chats ä.jsonl"}}
        look = client.post("/control/datasets/look", json=source).json()["look"]
        assert (look["format"], look["mapping"]) == ("messages", {"messages": "messages"})
        assert look["first"][0] == {
            "row": 1,
            "file": "chats ä.jsonl",
            "turns": [
                {"role": "user", "content": "q1", "is_trained": True},
                {"role": "assistant", "content": "a", "is_trained": True},
            ],
        }
        check = client.post("/control/datasets/check", json=source).json()["check"]
        assert (check["rows"], check["duplicate_count"]) == (3, 1)
        assert check["duplicates"] == [[3, 1, "chats ä.jsonl", "chats ä.jsonl"]]
        wrong = {"source": {"dataset": "chats ä.jsonl", "columns": {"text": "x"}}}
        refused = client.post("/control/datasets/look", json=wrong)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "columns.text"
        assert client.put("/control/datasets/files/chats ä.jsonl", content=b"x").status_code == 409
        assert client.post("/control/datasets/delete", json={"name": "chats ä.jsonl"}).status_code == 200
        assert client.post("/control/datasets/delete", json={"name": "chats ä.jsonl"}).status_code == 404
        assert client.get("/control/datasets").json() == {"datasets": []}


def pieces(total: int) -> Iterator[bytes]:
    for _ in range(total // 2**20):
        yield b"x" * 2**20


def test_large_files_of_any_type_are_streamed(echo_program: RunningProgram, datasets: Path) -> None:
    with echo_program.control() as client:
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json"):
            answer = client.put(
                "/control/datasets/files/large.txt", content=pieces(20 * 2**20), headers={"content-type": kind}
            )
            assert answer.status_code == 200, answer.text
            assert (datasets / "large.txt").stat().st_size == 20 * 2**20
            client.post("/control/datasets/delete", json={"name": "large.txt"})


def test_uploads_are_refused(echo_program: RunningProgram, datasets: Path) -> None:
    address = "/control/datasets/files/a.jsonl"
    with echo_program.client() as stranger:
        assert stranger.put(address, content=b"x").status_code == 401
    with echo_program.control() as client:
        foreign = {"origin": "https://evil.example"}
        assert client.put(address, content=b"x", headers=foreign).status_code == 403
        assert client.post(address, content=b"x").status_code == 415
        for name in ("a.py", "a.pkl", ".hidden.txt", "..%2fa.txt", "a%5cb.txt", "x" * 200 + ".txt"):
            assert client.put(f"/control/datasets/files/{name}", content=b"x").status_code in {400, 404}, name
    assert stored(datasets) == set()


def test_an_upload_that_breaks_off_leaves_nothing(echo_program: RunningProgram, datasets: Path) -> None:
    with socket.create_connection(("127.0.0.1", echo_program.port)) as connection:
        connection.sendall(
            b"PUT /control/datasets/files/half.jsonl HTTP/1.1\r\nHost: localhost:%d\r\n"
            b"Authorization: Bearer test-admin\r\nContent-Length: 1000000\r\n\r\n{" % echo_program.port
        )
        deadline = time.monotonic() + 10
        while not stored(datasets) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert all(name.startswith(".") for name in stored(datasets))
    while stored(datasets) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stored(datasets) == set()


def test_bad_sources(echo_program: RunningProgram, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(CHATS)
    with echo_program.control() as client:
        path = {"source": {"path": str(tmp_path / "a.jsonl")}}
        assert client.post("/control/datasets/check", json=path).json()["check"]["examples"] == 3
        relayed = client.post("/control/datasets/check", json=path, headers={"x-forwarded-for": "1.2.3.4"})
        assert (relayed.status_code, relayed.json()["error"]["param"]) == (400, "path")
        for source in (
            {},
            {"path": 5},
            {"dataset": "a", "path": "b"},
            {"unknown": 1},
            {"dataset": "../x"},
            {"path": "\0"},
        ):
            assert client.post("/control/datasets/look", json={"source": source}).status_code == 400, source
        assert client.post("/control/datasets/look", json={"source": {"dataset": "absent.csv"}}).status_code == 404


def test_conversations_to_choose_from(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        answer = client.post("/control/datasets/conversations", json={"choice": {"search": "nothing"}})
        assert answer.json() == {"count": 0, "messages": 0, "first": [], "folders": []}
        for wrong, field in (({"colour": "red"}, "choice.colour"), ({"folder": "a//b"}, "folder")):
            refused = client.post("/control/datasets/conversations", json={"choice": wrong})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, field)


def test_nobody_waits_for_hostile_files(echo_program: RunningProgram, datasets: Path) -> None:
    """A FIFO that never gives a byte, and a folder that leads back to itself."""
    loop = datasets / "loop"
    loop.mkdir(parents=True)
    try:
        os.mkfifo(loop / "pipe.jsonl")
        (loop / "again").symlink_to(loop)
        (loop / "a.txt").write_text("text")
        with echo_program.control() as client:
            check = client.post("/control/datasets/check", json={"source": {"dataset": "loop"}}).json()["check"]
            assert (check["examples"], check["problem_count"]) == (1, 0)
    finally:
        with echo_program.control() as client:
            client.post("/control/datasets/delete", json={"name": "loop"})
