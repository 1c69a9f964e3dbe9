"""/control/prompts and /control/runs over HTTP: what programs send, what they get, and what they are refused."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.program import RunningProgram

RUN: dict[str, Any] = {"template": "summarise", "columns": {"text": "text"}}
ROWS = "text,id\nFirst,1\nSecond,2\n"


@pytest.fixture
def control(echo_program: RunningProgram) -> Iterator[httpx.Client]:
    with echo_program.control() as client:
        yield client


def post(client: httpx.Client, route: str, **body: Any) -> Any:
    answer = client.post(f"/control/{route}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: httpx.Client, route: str, **body: Any) -> tuple[int, str, str]:
    answer = client.post(f"/control/{route}", json=body)
    error = answer.json()["error"]
    return answer.status_code, error["param"] or "", error["message"]


def wait_until_done(client: httpx.Client, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (run := client.get(f"/control/runs/{name}").json()["run"])["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def test_templates_are_for_those_with_the_key(echo_program: RunningProgram) -> None:
    with echo_program.client() as stranger:
        assert stranger.get("/control/prompts").status_code == 401
        assert stranger.get("/control/runs").status_code == 401
        assert stranger.post("/control/runs/create", json=RUN).status_code == 401


def test_templates_are_listed_saved_and_deleted(control: httpx.Client) -> None:
    text = "# Mine\nprompt: Say {{ word }}\nvariables:\n  - name: word\n"
    assert post(control, "prompts/save", name="say", text=text)["template"]["prompt"] == "Say {{ word }}"
    assert post(control, "prompts/read", name="say")["text"] == text
    listed = {one["name"]: one for one in control.get("/control/prompts").json()["prompts"]}
    assert listed["say"]["is_shipped"] is False
    assert listed["classify"]["template"]["output"] == "labels"
    assert post(control, "prompts/render", name="say", variables={"word": "hi"})["prompt"]["messages"] == [
        {"role": "user", "content": "Say hi"}
    ]
    post(control, "prompts/delete", name="say")
    assert refused(control, "prompts/read", name="say")[:2] == (404, "name")


def test_a_template_is_run_whole_and_as_a_stream(control: httpx.Client) -> None:
    body = {"name": "translate", "variables": {"text": "Guten Tag"}}
    whole = post(control, "prompts/run", **body)
    assert whole["text"].endswith("Guten Tag")
    assert whole["finish_reason"] == "stop"
    with control.stream("POST", "/control/prompts/run", json={**body, "stream": True}) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    frames = [json.loads(line) for line in lines[:-1]]
    assert "".join(frame.get("text", "") for frame in frames) == whole["text"]
    assert frames[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("prompts/render", {"name": "translate"}, "variables.text"),
        ("prompts/render", {"name": "translate", "variables": {"text": 3}}, "variables.text"),
        ("prompts/render", {"name": "../translate"}, "name"),
        ("prompts/save", {"name": "x", "text": "prompt: {{"}, "text"),
        ("prompts/delete", {"name": "translate"}, "name"),
        ("prompts/run", {"name": "classify", "variables": {"text": "a"}}, "model"),
        ("prompts/run", {"name": "classify", "variables": {"text": "a"}, "stream": True}, "stream"),
        ("runs/create", {**RUN, "content": "text\n"}, "input"),
        ("runs/create", {**RUN, "content": "a\nb"}, "columns"),
        ("runs/create", {**RUN, "content": ROWS, "path": "/etc/passwd"}, "content"),
        ("runs/create", {**RUN, "path": "/etc/passwd"}, "path"),
        ("runs/create", {**RUN, "content_base64": "***"}, "content_base64"),
        ("runs/create", {**RUN, "content": ROWS, "file_name": "a.xlsx"}, "file_name"),
        ("runs/create", {**RUN, "content": ROWS, "name": "a/b"}, "name"),
        ("runs/create", {**RUN, "content": ROWS, "format": "xlsx"}, "format"),
    ],
)
def test_what_is_wrong_is_named(control: httpx.Client, path: str, body: dict[str, Any], field: str) -> None:
    status, named, message = refused(control, path, **body)
    assert (status, named) == (400, field), message


def test_a_run_from_a_file_to_its_result(control: httpx.Client) -> None:
    content = base64.b64encode(ROWS.encode()).decode()
    found = post(control, "runs/columns", content_base64=content)
    assert (found["columns"], found["rows"], found["first"][1]) == (["text", "id"], 2, {"text": "Second", "id": "2"})
    previews = post(control, "runs/preview", **RUN, content=ROWS)["previews"]
    assert "First" in previews[0]["prompt"]["messages"][-1]["content"]
    created = post(control, "runs/create", **RUN, content=ROWS, name="from a file", values={"length": "one sentence"})
    assert created["run"]["rows"] == 2
    run = wait_until_done(control, "from a file")
    assert (run["state"], run["done"], run["failed"], run["model"]) == ("done", 2, 0, "echo")
    assert "template_text" not in run
    answer = control.get("/control/runs/from a file/result")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "from%20a%20file.csv" in answer.headers["content-disposition"]
    assert answer.text.startswith('"text","id","output","finish_reason","error"\r\n"First","1","Text:\n')
    lines = control.get("/control/runs/from a file/result?form=jsonl").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2"]
    assert [one["name"] for one in control.get("/control/runs").json()["runs"]] == ["from a file"]
    post(control, "runs/delete", name="from a file")
    assert control.get("/control/runs/from a file").status_code == 404


def test_a_path_is_taken_from_this_machine_alone(control: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path = str(tmp_path / "rows.csv")
    assert post(control, "runs/columns", path=path)["rows"] == 2
    (tmp_path / "note.md").write_text("A note.")
    assert post(control, "runs/columns", path=str(tmp_path))["columns"] == ["file", "text"]
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        answer = control.post("/control/runs/columns", json={"path": path}, headers={header: "203.0.113.9"})
        assert answer.status_code == 400
        assert "only on the machine" in answer.json()["error"]["message"]
