"""Installing extensions over HTTP in a real program, and who is refused."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.program import RunningProgram
from tests.serve.test_start import relay_stub
from tests.services.extension_worlds import Repository, files_of, write_folder, write_zip

BASE = "/control/extensions"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("extensions-program")
    gallery = {
        "extensions": [
            {"name": "shout", "title": "Shout", "author": "Ann", "source": "https://example.com/s.git", "commit": "a" * 40},
            {"name": "bad", "title": "Bad"},
        ]
    }  # fmt: skip
    (folder / "gallery.json").write_text(json.dumps(gallery))
    arguments = ("--no-ui", "--admin-key", "test-admin", "--extension-gallery", str(folder / "gallery.json"))
    with RunningProgram(folder, *arguments) as program:
        yield program


def asked(program: RunningProgram, method: str, path: str, /, status: int = 200, **body: Any) -> Any:
    with program.control() as client:
        response = client.request(method, f"{BASE}/{path}", json=body or None)
    assert response.status_code == status, response.text
    return response.json()


def ended(program: RunningProgram, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while job["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
        with program.control() as client:
            job = next(one for one in client.get("/control/jobs").json()["jobs"] if one["id"] == job["id"])
    return job


def test_from_the_plan_to_the_removal(program: RunningProgram, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    first = repository.commit(files_of())
    plan = asked(program, "POST", "plan", source=str(repository.folder))["plan"]
    assert (plan["exact"], plan["manifest"]["version"], plan["change"], plan["is_current"]) == (
        first,
        "1.0",
        None,
        False,
    )
    assert [file["path"] for file in plan["files"]] == ["extension.toml", "main.py"]
    assert plan["source"] == {"kind": "git", "address": str(repository.folder), "revision": ""}
    assert plan["warnings"]
    told = asked(program, "POST", "plan/file", plan_id=plan["id"], path="main.py")["text"]
    assert told == (repository.folder / "main.py").read_text()
    asked(program, "POST", "plan/file", status=404, plan_id=plan["id"], path="../files/main.py")
    assert ended(program, asked(program, "POST", "install", plan_id=plan["id"])["job"])["state"] == "done"
    assert asked(program, "POST", "install", status=404, plan_id=plan["id"])["error"]["param"] == "plan_id"
    asked(program, "POST", "plan/file", status=404, plan_id=plan["id"], path="main.py")
    (installed,) = asked(program, "GET", "installed")["installed"]
    assert (installed["name"], installed["exact"], installed["earlier"]) == ("shout", first, None)
    assert not list(program.data.rglob("*-was-imported"))

    assert asked(program, "POST", "shout/update")["plan"]["is_current"] is True
    second = repository.commit(files_of(version="2.0"))
    plan = asked(program, "POST", "shout/update")["plan"]
    assert (plan["exact"], plan["change"]["version"], plan["change"]["changed"][0]) == (second, "1.0", "extension.toml")
    assert ended(program, asked(program, "POST", "install", plan_id=plan["id"])["job"])["state"] == "done"
    assert asked(program, "POST", "shout/rollback")["installed"]["version"] == "1.0"
    (installed,) = asked(program, "GET", "installed")["installed"]
    assert (installed["version"], installed["earlier"]["version"]) == ("1.0", "2.0")
    log = asked(program, "GET", "shout")["extension"]["log"]
    assert [line.partition(" ")[2] for line in log] == [f"version {one} put in place" for one in ("1.0", "2.0", "1.0")]

    asked(program, "POST", "forget", plan_id=asked(program, "POST", "shout/update")["plan"]["id"])
    assert not (program.data / "extensions" / ".staging").exists()
    # What others look at meanwhile is gone with it.
    asked(program, "POST", "shout/update")
    asked(program, "DELETE", "shout")
    assert asked(program, "GET", "installed")["installed"] == []
    assert list((program.data / "extensions").iterdir()) == []
    for method, path in (("DELETE", "shout"), ("POST", "shout/update"), ("POST", "shout/rollback")):
        asked(program, method, path, status=404)


def test_what_is_refused(program: RunningProgram, tmp_path: Path) -> None:
    for source in ("http://example.com/x.git", "ext::sh", "--help", "relative/path", "/no/such/place"):
        error = asked(program, "POST", "plan", status=400, source=source)["error"]
        assert error["param"] == "source", error
    asked(program, "POST", "plan", status=400)
    asked(program, "POST", "install", status=400, plan_id="../..")
    asked(program, "POST", "install", status=404, plan_id="0" * 64)
    asked(program, "POST", "plan", status=502, source=f"file://{tmp_path}/nowhere")
    bad = write_zip(tmp_path / "bad.zip", {**files_of(), "../evil.py": ""})
    assert "unsafe file names" in asked(program, "POST", "plan", status=400, source=str(bad))["error"]["message"]
    assert not list((program.data / "extensions").glob(".staging/*"))


def test_the_gallery(program: RunningProgram) -> None:
    found = asked(program, "GET", "gallery")
    assert [(entry["name"], entry["commit"]) for entry in found["entries"]] == [("shout", "a" * 40)]
    assert found["problems"] == ["Entry 2 of the gallery was passed over: source is missing."]
    assert asked(program, "GET", "gallery?words=ann+SHOUT")["entries"] == found["entries"]
    assert asked(program, "GET", "gallery?words=whisper")["entries"] == []


def test_paths_are_for_those_at_this_machine(program: RunningProgram, tmp_path: Path) -> None:
    source = str(write_folder(tmp_path / "source", files_of()))
    with program.control() as client:
        for text in (source, f"file://{source}", f" {source}", f"{program.data}/extension-uploads/../../source"):
            through = client.post(f"{BASE}/plan", json={"source": text}, headers={"X-Forwarded-For": "203.0.113.5"})
            assert (through.status_code, through.json()["error"]["param"]) == (400, "path")
    # But for what was sent.
    sent = program.data / "extension-uploads" / "_archives" / "0" / "shout.zip"
    sent.parent.mkdir(parents=True)
    write_zip(sent, files_of())
    with program.control() as client:
        plan = client.post(f"{BASE}/plan", json={"source": str(sent)}, headers={"X-Forwarded-For": "203.0.113.5"})
    assert plan.json()["plan"]["manifest"]["name"] == "shout"
    asked(program, "POST", "forget", plan_id=plan.json()["plan"]["id"])


CHANGES = (("POST", "plan"), ("POST", "install"), ("POST", "shout/update"), ("POST", "shout/rollback"), ("DELETE", "shout"))  # fmt: skip


def test_nobody_but_the_owner(tmp_path: Path) -> None:
    """An API key opens /v1 and nothing here; nor does a page of another site."""
    source = write_folder(tmp_path / "source", files_of())
    arguments = ("--no-ui", "--api-key", "program-key", "--admin-key", "test-admin")
    bodies = {"plan": {"source": str(source)}, "install": {"plan_id": "0" * 64}}
    with RunningProgram(tmp_path, *arguments) as program:
        for headers in ({}, {"authorization": "Bearer program-key"}, {"authorization": "Bearer guess"}):
            with program.client(**headers) as client:
                for method, path in (*CHANGES, ("GET", "gallery"), ("GET", "installed")):
                    answer = client.request(method, f"{BASE}/{path}", json=bodies.get(path))
                    assert answer.status_code == 401, path
        with program.control() as client:
            for method, path in CHANGES:
                answer = client.request(
                    method, f"{BASE}/{path}", json=bodies.get(path), headers={"Origin": "https://evil.example"}
                )
                assert answer.status_code == 403, path
        assert not (program.data / "extensions").exists()


def test_nothing_changes_while_it_is_shared(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "source", files_of())
    bodies = {"plan": {"source": str(source)}, "install": {"plan_id": "0" * 64}}
    relay_stub(tmp_path / "home")
    environment = {"HF_HOME": str(tmp_path / "home"), "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:9"}
    with RunningProgram(
        tmp_path, "--no-ui", "--admin-key", "test-admin", "--share", environment=environment
    ) as program:
        program.wait_for_line("Share link: ")
        for method, path in CHANGES:
            with program.control() as client:
                answer: httpx.Response = client.request(method, f"{BASE}/{path}", json=bodies.get(path))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), path
            assert "while this program is shared" in answer.json()["error"]["message"]
        assert not (program.data / "extensions").exists()
