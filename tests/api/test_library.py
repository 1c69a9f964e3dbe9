"""/control/library: from finding a model to renaming, deleting and importing it, over the wire."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import link_or_copy
from tests.library.gguf_files import write_gguf
from tests.program import RunningProgram

LIBRARY = "/control/library"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    """Started on damaged and hostile files, with a further folder and an environment of its own."""
    folder = tmp_path_factory.mktemp("library-program")
    for name in ("good", "damaged", "--port=1", os.fsdecode(b"\xff")):
        write_gguf(folder / "models" / f"{name}.gguf")
    (folder / "models" / "damaged.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    write_gguf(folder / "more" / "theirs.gguf")
    write_gguf(folder / "home" / ".lmstudio" / "models" / "maker" / "found.gguf")
    blobs = folder / "home" / ".ollama" / "models" / "blobs"
    blobs.mkdir(parents=True)
    link_or_copy(starter_file, blobs / "sha256-abc")
    arguments = ("--no-ui", "--admin-key", "test-admin", "--model-folders", str(folder / "more"))
    environment = dict.fromkeys(("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "OLLAMA_MODELS"), "")
    with RunningProgram(folder, *arguments, environment={**environment, "HOME": str(folder / "home")}) as program:
        yield program


def post(program: RunningProgram, route: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(f"{LIBRARY}/{route}", json=body)


def get(program: RunningProgram, path: str = "") -> Any:
    with program.control() as client:
        return client.get(LIBRARY + path).json()


def listed(program: RunningProgram) -> dict[str, Any]:
    return {model["id"]: model for model in get(program)["models"]}


def assert_refused(response: Any, status: int, field: str | None) -> None:
    assert (response.status_code, response.json()["error"]["param"]) == (status, field), response.text


def test_what_is_listed(program: RunningProgram) -> None:
    models = listed(program)
    assert {"good", "damaged", "--port=1", "?", "theirs"} <= set(models)
    assert "version" in models["damaged"]["problem"]
    good = models["good"]
    assert (good["problem"], good["quantization"], good["has_chat_template"]) == ("", "Q8_0", True)
    assert (good["favourite"], good["note"], good["last_used"]) == (False, "", None)
    assert models["theirs"]["folder"] == "more"
    assert str(program.folder) not in str(get(program))


def test_from_note_to_trash(program: RunningProgram) -> None:
    write_gguf(program.models / "mine.gguf")
    assert post(program, "note", model="mine", text="for letters").status_code == 200
    assert post(program, "favourite", model="mine", favourite=True).status_code == 200
    renamed = post(program, "rename", model="mine", name="maker/yours").json()["model"]
    assert renamed["id"] == "maker/yours"
    assert (listed(program)["maker/yours"]["note"], listed(program)["maker/yours"]["favourite"]) == (
        "for letters",
        True,
    )
    trashed = post(program, "delete", model="maker/yours").json()["trashed"]
    assert [model["name"] for model in get(program)["trash"]] == ["maker/yours"]
    assert post(program, "restore", id=trashed["id"]).json()["model"]["id"] == "maker/yours"
    post(program, "delete", model="maker/yours")
    assert post(program, "empty-trash").json()["freed_bytes"] > 1000
    assert get(program)["trash"] == []


def test_a_model_without_suffix_is_linked_and_loads(program: RunningProgram) -> None:
    """As Ollama keeps them: named by their digest alone."""
    path = program.folder / "home" / ".ollama" / "models" / "blobs" / "sha256-abc"
    assert post(program, "import", path=str(path), name="from-ollama").status_code == 200
    assert listed(program)["from-ollama"]["is_linked"]
    with program.control() as client:
        answer = client.post("/control/models/load", json={"model": "from-ollama", "options": {"context_length": 256}})
        assert answer.status_code == 200, answer.text
        request = {"model": "from-ollama", "prompt": "Once", "max_tokens": 3}
        assert client.post("/v1/completions", json=request).json()["choices"][0]["text"]
    assert_refused(post(program, "delete", model="from-ollama"), 429, None)
    with program.control() as client:
        assert client.post("/control/models/unload", json={}).status_code == 200
    assert post(program, "delete", model="from-ollama").status_code == 200
    assert path.is_file()


def test_found_and_copied(program: RunningProgram) -> None:
    (found,) = get(program, "/found")["models"]
    assert (found["program"], found["title"], found["problem"]) == ("LM Studio", "maker/found", "")
    job = post(program, "import", path=found["path"], name="copied", copy=True).json()["job"]
    deadline = time.monotonic() + 20
    with program.control() as client:
        while time.monotonic() < deadline:
            (now,) = [one for one in client.get("/control/jobs").json()["jobs"] if one["id"] == job["id"]]
            if now["state"] != "running":
                break
            time.sleep(0.05)
    assert (now["state"], now["error"]) == ("done", "")
    assert not listed(program)["copied"]["is_linked"]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("rename", {"model": "good"}, 400, "name"),
        ("rename", {"model": "good", "name": "../x"}, 400, "name"),
        ("rename", {"model": "good", "name": "x" * 501}, 400, "name"),
        ("rename", {"model": "good", "name": "damaged"}, 409, "name"),
        ("rename", {"model": "/etc/passwd", "name": "x"}, 404, "model"),
        ("rename", {"model": "theirs", "name": "x"}, 400, "model"),
        ("delete", {"model": "theirs"}, 400, "model"),
        ("delete", {"model": 5}, 400, "model"),
        ("delete", {}, 400, "model"),
        ("restore", {"id": "../.."}, 404, "id"),
        ("note", {"model": "good", "text": "x" * 2001}, 400, "text"),
        ("note", {"model": "nothing", "text": "x"}, 404, "model"),
        ("favourite", {"model": "good", "favourite": "yes"}, 400, "favourite"),
        ("import", {"path": "/etc/passwd", "name": "x"}, 400, "path"),
        ("import", {"path": "/nothing", "name": "x"}, 400, "path"),
        ("import", {"path": "x" * 4097, "name": "x"}, 400, "path"),
        ("import", {"path": "/x", "name": "x", "copy": "yes"}, 400, "copy"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_fields_are_named(
    program: RunningProgram, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    before = listed(program)
    assert_refused(post(program, path, **body), status, field)
    assert listed(program) == before


def test_without_the_key(program: RunningProgram) -> None:
    with program.client() as client:
        assert client.get(LIBRARY).status_code == 401
        assert client.post(f"{LIBRARY}/empty-trash").status_code in {401, 403}
