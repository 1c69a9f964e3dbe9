"""/control/presets and /control/parameters over the wire, and presets in the bodies of /v1."""

from typing import Any

import pytest

from tests.program import RunningProgram

USER = [{"role": "user", "content": "one two three four five"}]


def post(program: RunningProgram, path: str, **body: Any) -> Any:
    with program.control() as client:
        return client.post(f"/control/{path}", json=body)


def get(program: RunningProgram, path: str) -> Any:
    with program.control() as client:
        return client.get(f"/control/{path}")


def chat(program: RunningProgram, **body: Any) -> Any:
    with program.client() as client:
        return client.post("/v1/chat/completions", json={"model": "echo", "messages": USER, **body})


def words(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"].split()


def refusal(response: Any) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["param"], error["message"]


def test_a_preset_from_saving_to_restoring(echo_program: RunningProgram) -> None:
    program = echo_program
    saved = post(program, "presets/save", name="Wire", values={"top_k": 3}, description="by wire").json()["preset"]
    assert saved["values"] == {"top_k": 3}
    assert get(program, "presets/Wire").json()["preset"] == saved
    assert post(program, "presets/rename", name="Wire", new_name="Wire two").status_code == 200
    assert get(program, "presets/Wire%20two").json()["preset"] == {**saved, "name": "Wire two"}
    assert post(program, "presets/compare", name="", other="Wire two").json()["differences"] == [
        {"parameter": "top_k", "value": 40, "other": 3}
    ]
    text = post(program, "presets/export", name="Wire two").json()["text"]
    assert post(program, "presets/import", name="Wire three", text=text).json()["preset"]["values"] == {"top_k": 3}
    assert post(program, "presets/delete", name="Wire two").status_code == 200
    listed = get(program, "presets").json()
    assert "Wire two" in listed["deleted"]
    assert {"Code", "Wire three"} <= {preset["name"] for preset in listed["presets"]}
    assert post(program, "presets/restore", name="Wire two").json()["preset"]["values"] == {"top_k": 3}


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("presets/save", {"name": "a/b", "values": {}}, 400, "name"),
        ("presets/save", {"name": "x", "values": {"temperature": 6}}, 400, "temperature"),
        ("presets/save", {"name": "x", "values": {"nothing": 6}}, 400, "nothing"),
        ("presets/save", {"name": "x", "values": []}, 400, "values"),
        ("presets/save", {"name": "code", "values": {}}, 409, "name"),
        ("presets/import", {"name": "x", "text": "a: !!python/name:os.system"}, 400, "text"),
        ("presets/import", {"name": "Code", "text": "top_k: 1"}, 409, "name"),
        ("presets/delete", {"name": "nothing"}, 404, "preset"),
        ("presets/delete", {"name": "Code"}, 400, "name"),
        ("presets/restore", {"name": "nothing"}, 404, "name"),
        ("presets/compare", {"name": "", "other": "nothing"}, 404, "preset"),
        ("parameters/change", {"scope": {"kind": "everywhere"}, "changes": {"top_p": 2}}, 400, "top_p"),
        ("parameters/change", {"scope": {"kind": "planet"}, "changes": {}}, 400, "scope.kind"),
        ("parameters/choose", {"scope": {"kind": "everywhere"}, "preset": "nothing"}, 404, "preset"),
        ("parameters/bind", {"scope": {"kind": "everywhere"}, "preset": "Code"}, 400, "scope"),
        ("parameters/bind", {"scope": {"kind": "model", "target": "nothing"}, "preset": "Code"}, 404, "model"),
    ],
)
def test_wrong_requests_are_named(
    echo_program: RunningProgram, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    assert refusal(post(echo_program, path, **body))[:2] == (status, field)


def test_parameters_from_changing_to_unbinding(echo_program: RunningProgram) -> None:
    program, scope = echo_program, {"kind": "model", "target": "echo"}
    bound = post(program, "parameters/bind", scope=scope, preset="Code").json()["current"]
    assert (bound["scope"], bound["preset"], bound["changes"]) == (scope, "Code", {})
    changed = post(program, "parameters/change", scope=scope, changes={"seed": 5, "max_tokens": None}).json()["current"]
    assert (changed["changes"], changed["values"]["temperature"]) == ({"seed": 5}, 0.15)
    state = get(program, "parameters?model=echo").json()
    assert state["current"] == changed
    assert [one["scope"]["kind"] for one in state["scopes"]] == ["model", "everywhere"]
    neutral = post(program, "parameters/neutralise", scope=scope).json()["current"]["values"]
    assert (neutral["temperature"], neutral["seed"]) == (1.0, 5)
    assert post(program, "parameters/unbind", scope=scope).status_code == 200
    assert get(program, "parameters?model=echo").json()["current"]["scope"]["kind"] == "everywhere"
    assert get(program, "parameters/refusals?model=echo").json() == {"refusals": {}}


def test_they_are_the_owners(echo_program: RunningProgram) -> None:
    """An API key that may ask questions is not one that may change things; see `front/access.py`."""
    with echo_program.client() as client:
        for path in ("presets", "parameters"):
            assert client.get(f"/control/{path}").status_code in {401, 403}


def test_a_request_takes_a_presets_values_where_it_sets_none_itself(echo_program: RunningProgram) -> None:
    post(echo_program, "presets/save", name="Two words", values={"max_tokens": 2, "stop": ["three"]})
    assert words(chat(echo_program)) == ["one", "two", "three", "four", "five"]
    assert words(chat(echo_program, preset="Two words")) == ["one", "two"]
    assert words(chat(echo_program, preset="Two words", max_tokens=9)) == ["one", "two"]
    assert words(chat(echo_program, preset="Two words", max_completion_tokens=9, stop="five")) == [
        "one", "two", "three", "four",
    ]  # fmt: skip
    assert words(chat(echo_program, preset="Two words", max_tokens=1)) == ["one"]
    with echo_program.client() as client:
        body = {"model": "echo", "prompt": "one two three", "preset": "Two words"}
        assert client.post("/v1/completions", json=body).json()["choices"][0]["text"].split() == ["one", "two"]


def test_an_unknown_preset_is_told_with_those_there_are(echo_program: RunningProgram) -> None:
    status, field, message = refusal(chat(echo_program, preset="nothing"))
    assert (status, field) == (404, "preset")
    assert "Code" in message
    assert refusal(chat(echo_program, preset=""))[:2] == (400, "preset")


def test_what_a_body_sets_to_the_default_counts_too(echo_program: RunningProgram) -> None:
    """The preset's structure is not followed by the echo engine, so that who asks with it is refused."""
    structure = {"kind": "regex", "source": "a"}
    post(echo_program, "presets/save", name="Strict", values={"constraint": structure})
    assert refusal(chat(echo_program, preset="Strict"))[0] == 400
    assert chat(echo_program, preset="Strict", response_format={"type": "text"}).status_code == 200
