"""/control: loading with options, what is remembered of them, and what a form can be made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules.engines.registry import ENGINES
from tests.program import RunningProgram

LOAD = "/control/models/load"
ARGUMENTS = ("--no-ui", "--admin-key", "test-admin")

BAD: list[tuple[dict[str, Any], str]] = [
    ({"options": []}, "options"),
    ({"options": "slots"}, "options"),
    ({"options": {"slots": 65}}, "options.slots"),
    ({"options": {"slots": 2.5}}, "options.slots"),
    ({"options": {"slots": True}}, "options.slots"),
    ({"options": {"slots": {"a": [1]}}}, "options.slots"),
    ({"options": {"slots": 2**62}}, "options.slots"),
    ({"options": {"context_length": 15}}, "options.context_length"),
    ({"options": {"": 1}}, "options."),
    ({"options": {"no_such": None}}, "options.no_such"),
    ({"options": {"script": "/etc/passwd"}}, "options.script"),
    ({"options": {}, "engine": "transformers"}, "engine"),
    ({"options": {"chat_template": "nothing"}}, "options.chat_template"),
    ({"options": {"chat_template": "\ud800"}}, "options.chat_template"),
    ({"engine": "magic", "options": {}}, "engine"),
]


@pytest.mark.parametrize(("fields", "field"), BAD, ids=range(len(BAD)))
def test_wrong_options_are_named(echo_program: RunningProgram, fields: dict[str, Any], field: str) -> None:
    before = echo_program.status()["worker_pid"]
    with echo_program.control() as client:
        body = json.dumps({"model": "echo", **fields})
        response = client.post(LOAD, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == field
    assert echo_program.status()["worker_pid"] == before


def test_the_engines_describe_their_options(echo_program: RunningProgram) -> None:
    with echo_program.control() as client:
        answer = client.get("/control/engines").json()
    schemas = {engine["name"]: engine["options"]["properties"] for engine in answer["engines"]}
    assert schemas.keys() == {kind.name for kind in ENGINES}
    for properties in schemas.values():
        assert all(schema["description"] for schema in properties.values())
    assert schemas["transformers"]["slots"]["maximum"] == 64
    assert schemas["transformers"]["trust_remote_code"]["readOnly"]
    assert "chatml" in answer["chat_templates"]


def test_remembered_after_a_restart(tmp_path: Path) -> None:
    with RunningProgram(tmp_path, *ARGUMENTS) as program, program.control() as client:
        answer = client.post(LOAD, json={"model": "echo", "options": {"slots": 2}}).json()
        assert answer["engine"]["slots"] == 2
        assert options_of(client) == {"slots": 2}
    with RunningProgram(tmp_path, *ARGUMENTS) as program, program.control() as client:
        assert options_of(client) == {"slots": 2}
        assert client.post(LOAD, json={"model": "echo"}).json()["engine"]["slots"] == 2
        assert client.post(LOAD, json={"model": "echo", "options": {}}).json()["engine"]["slots"] == 4
        assert options_of(client) == {}


def options_of(client: Any) -> dict[str, Any]:
    return next(model["options"] for model in client.get("/control/models").json()["models"] if model["id"] == "echo")
