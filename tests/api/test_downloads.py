"""/control/downloads on a running program: from the start to the model's name in /v1/models, and what is refused."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.downloading import content
from tests.hub.fake_hub import FakeHub, Fault
from tests.program import RunningProgram

NAME = "m-Q4_K_M.gguf"
SIZE = 600_000


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("user/model", {NAME: content(SIZE), "m-Q8_0.gguf": content(SIZE, 1)})
        yield hub


@pytest.fixture(scope="module")
def program(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    arguments = ("--no-ui", "--model", "echo", "--admin-key", "test-admin", "--hub-endpoint", hub.endpoint)
    with RunningProgram(
        tmp_path_factory.mktemp("downloads"), *arguments, environment={"HF_TOKEN": hub.token}
    ) as program:
        yield program


def post(program: RunningProgram, what: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(f"/control/downloads/{what}", json=body)


def listed(program: RunningProgram) -> list[dict[str, Any]]:
    with program.control() as client:
        return client.get("/control/downloads").json()["downloads"]


def wait_for(program: RunningProgram, **expected: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (newest, *_) = listed(program)
        if expected.items() <= newest.items():
            return newest
        time.sleep(0.02)
    raise AssertionError(f"it stayed {newest}")


def test_from_the_start_to_the_end(program: RunningProgram, hub: FakeHub) -> None:
    hub.fault(NAME, Fault("stall", after=200_000))
    begun = post(program, "start", source="user/model", choice="Q4_K_M").json()["download"]
    assert (begun["target"], begun["size_bytes"], begun["files"]) == (NAME, SIZE, 1)
    wait_for(program, state="running", done_bytes=200_000)
    paused = post(program, "pause", id=begun["id"]).json()["download"]
    assert (paused["state"], paused["done_bytes"]) == ("paused", 200_000)
    assert not (program.models / NAME).exists()
    assert post(program, "resume", id=begun["id"]).status_code == 200
    done = wait_for(program, state="done", done_bytes=SIZE, files_done=1)
    assert done["error"] == ""
    assert (program.models / NAME).read_bytes() == content(SIZE)
    assert hub.sent_bytes(NAME) == SIZE
    assert post(program, "remove", id=begun["id"]).status_code == 200
    assert listed(program) == []
    assert (program.models / NAME).exists()


@pytest.mark.parametrize(
    ("what", "body", "status", "field"),
    [
        ("start", {}, 400, "source"),
        ("start", {"source": "x" * 2001}, 400, "source"),
        ("start", {"source": "https://example.com/a/b"}, 400, "source"),
        ("start", {"source": "user/model"}, 400, "choice"),
        ("start", {"source": "user/model", "choice": "Q2_K"}, 404, "choice"),
        ("start", {"source": "user/model", "pattern": 3}, 400, "pattern"),
        ("start", {"source": "user/none"}, 404, "repository"),
        ("pause", {"id": "0" * 16}, 404, "id"),
        ("cancel", {"id": "../../etc"}, 404, "id"),
        ("remove", {"id": ""}, 400, "id"),
    ],
)
def test_what_is_refused(program: RunningProgram, what: str, body: dict[str, Any], status: int, field: str) -> None:
    response = post(program, what, **body)
    assert response.status_code == status, response.text
    assert field in (response.json()["error"]["param"] or "")


def test_only_for_whoever_may_control_it(program: RunningProgram) -> None:
    with program.client() as client:
        assert client.get("/control/downloads").status_code == 401
        assert client.post("/control/downloads/start", json={"source": "user/model"}).status_code == 401


def test_the_token_is_nowhere_to_be_read(program: RunningProgram, hub: FakeHub) -> None:
    post(program, "start", source="user/model", choice="Q8_0")
    wait_for(program, state="done")
    assert any(request.authorization for request in hub.requests)
    assert not any(request.authorization for request in hub.requests if request.listener == "files")
    written = b"".join(path.read_bytes() for path in Path(program.folder).rglob("*.json"))
    assert hub.token.encode() not in written
    assert hub.token not in "".join([*program.lines, *program.errors, str(listed(program))])
