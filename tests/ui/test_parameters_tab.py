"""The actions of the Parameters panel: all that it shows of a place, and what it may not send."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.settings import Settings
from modules.types.parameters import Parameters, checked
from modules.ui.actions import View
from modules.ui.parameters_tab import ParametersTab

Act = Callable[..., View]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models"))
    yield app
    app.close()


@pytest.fixture
def act(app: App) -> Act:
    actions = ParametersTab(app).actions()

    def call(action: str, /, **values: Any) -> View:
        view = actions[action](values)
        json.dumps(view, allow_nan=False)
        return view

    return call


def test_every_parameter_is_a_field_that_takes_its_own_values(act: Act) -> None:
    fields = {field["name"]: field for field in act("params_state")["fields"]}
    assert list(fields) == list(Parameters.model_fields)
    for name, field in fields.items():
        for value in (field["default"], field["neutral"], *([None] if field["empty"] else [])):
            checked({name: value})
        for bound in ("minimum", "maximum"):
            if field.get(bound) is not None and name not in {"epsilon_cutoff", "eta_cutoff"}:
                checked({name: field[bound]})
        assert field["title"]
        assert field["help"]
    assert {field["kind"] for field in fields.values()} == {
        "number", "whole_number", "switch", "text", "texts", "ids", "biases", "order", "structure",
    }  # fmt: skip
    assert fields["temperature"]["simple"]
    assert (fields["seed"]["empty"], fields["top_k"]["empty"]) == (True, False)


def test_what_is_in_use_follows_each_action(act: Act) -> None:
    place = {"model": "echo"}
    state = act("params_state", **place)
    assert (state["current"]["kind"], state["current"]["preset"], state["refusals"]) == ("everywhere", "", {})
    assert [preset["name"] for preset in state["presets"]] == sorted(preset["name"] for preset in state["presets"])
    assert act("params_bind", kind="model", preset="Code", **place)["current"]["preset"] == "Code"
    assert act("params_change", kind="model", changes={"top_k": 3}, **place)["current"]["changes"] == {"top_k": 3}
    assert act("params_choose", kind="model", preset="Poetry", **place)["current"]["changes"] == {}
    neutral = act("params_neutralise", kind="everywhere", **place)
    # The model's own still hold there.
    assert [scope["kind"] for scope in neutral["scopes"]] == ["model", "everywhere"]
    assert neutral["scopes"][1]["values"]["temperature"] == 1.0
    # The panel of a model that is gone is there all the same.
    assert act("params_state", model="gone")["refusals"] == {}
    assert act("params_unbind", kind="model", **place)["current"]["kind"] == "everywhere"


def test_presets_from_saving_to_importing(act: Act) -> None:
    saved = act("preset_save", name="Mine", values={"top_k": 3}, description="for me")
    assert saved["preset"]["values"] == {"top_k": 3}
    assert "Mine" in [preset["name"] for preset in saved["presets"]]
    assert act("preset_rename", name="Mine", new_name="Ours")["preset"]["name"] == "Ours"
    exported = act("preset_export", name="Ours")
    assert exported["file"] == "Ours.yaml"
    assert act("preset_delete", name="Ours")["deleted"] == ["Ours"]
    assert act("preset_restore", name="Ours")["preset"]["description"] == "for me"
    assert act("preset_import", name="Again", yaml=exported["yaml"])["preset"]["values"] == {"top_k": 3}
    assert act("preset_compare", name="", other="Again")["differences"] == [
        {"parameter": "top_k", "value": 40, "other": 3}
    ]


@pytest.mark.parametrize(
    ("name", "values", "code", "field"),
    [
        ("params_change", {"kind": "everywhere", "changes": {"top_p": 2}}, "invalid_request", "top_p"),
        ("params_choose", {"kind": "everywhere", "preset": "nothing"}, "not_found", "preset"),
        ("params_state", {"surprise": 1}, "invalid_request", None),
        ("preset_save", {"name": "../x", "values": {}}, "invalid_request", "name"),
        ("preset_save", {"name": "x" * 121, "values": {}}, "invalid_request", None),
        ("preset_import", {"name": "Code", "yaml": "a: 1"}, "conflict", "name"),
    ],
)
def test_errors_are_told(act: Act, name: str, values: dict[str, Any], code: str, field: str | None) -> None:
    error = act(name, **values)["error"]
    assert (error["code"], error.get("field")) == (code, field)
