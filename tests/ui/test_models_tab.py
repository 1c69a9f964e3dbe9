"""The actions of the Models view on a real library: what the page is told, and what it may not send."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.settings import Settings
from modules.ui.actions import View
from modules.ui.chat_tab import ChatTab
from modules.ui.models_tab import ModelsTab

Act = Callable[..., View]


@pytest.fixture
def app(tmp_path: Path, models_folder: Path) -> Iterator[App]:
    app = build_app(Settings(data=tmp_path / "data", models=models_folder))
    yield app
    app.close()


@pytest.fixture
def act(app: App) -> Act:
    actions = {**ModelsTab(app).actions(), **ChatTab(app).actions()}

    def call(name: str, **values: Any) -> View:
        return actions[name](values)

    return call


def test_a_model_is_told_of_from_its_header_without_its_path(act: Act, models_folder: Path) -> None:
    listed = act("models_list")
    (model,) = listed["models"]
    assert (model["id"], model["quantization"], model["context_length"]) == ("starter", "Q4_1", 8192)
    assert (model["layers"], model["heads"], model["kv_heads"]) == (30, 9, 3)
    assert (model["state"], model["last_used"], model["user_note"]) == ("none", None, "")
    assert listed["memory"]["budget_bytes"] > listed["memory"]["used_bytes"] == 0
    assert str(models_folder) not in json.dumps(listed)


def test_favourites_notes_and_names_are_kept(act: Act) -> None:
    act("models_favourite", model="starter", favourite=True)
    act("models_note", model="starter", note="Good for quick tests")
    assert act("models_rename", model="starter", new_name="tiny") == {"model": "tiny"}
    (model,) = act("models_list")["models"]
    assert (model["id"], model["favourite"], model["user_note"]) == ("tiny", True, "Good for quick tests")
    picked = {one["id"]: one["favourite"] for one in act("chat_state")["models"]}
    assert picked == {"tiny": True, "echo": False}


def test_a_deleted_model_comes_back_or_is_gone_for_good(act: Act) -> None:
    trashed = act("models_delete", model="starter")["trashed"]
    assert act("models_list")["models"] == []
    assert act("chat_state")["suggested"] is None
    assert act("models_list")["trash"] == [trashed]
    restored = act("models_restore", trash_id=trashed["id"])["model"]
    act("models_delete", model=restored)
    assert act("models_empty_trash")["freed_bytes"] == 98_362_432
    assert act("models_list")["trash"] == []


def test_the_form_and_the_estimate_follow_the_engine(act: Act) -> None:
    form = act("models_form", model="starter")
    assert (form["engines"], form["engine"], form["values"]) == (["llamacpp"], "llamacpp", {})
    fields = {one["name"]: one for one in form["fields"]}
    assert fields["context_length"]["maximum"] == 4_194_304
    assert {"value": "chatml", "text": "chatml"} in fields["chat_template"]["choices"]
    small = act("models_estimate", model="starter", engine="llamacpp", options={"context_length": 512})
    large = act("models_estimate", model="starter", engine="llamacpp", options={"context_length": 4096})
    assert small["fit"] in {"cpu", "gpu"}
    assert small["context_length"] == 512
    assert small["parts"]["cache"] < large["parts"]["cache"]
    assert small["memory"]["low"] <= sum(small["parts"].values()) <= small["memory"]["high"]


def test_a_flag_of_the_start_is_what_holds_where_nothing_is_set(tmp_path: Path, models_folder: Path) -> None:
    app = build_app(Settings(data=tmp_path / "data", models=models_folder, context_length=768))
    actions = ModelsTab(app).actions()
    fields = {one["name"]: one for one in actions["models_form"]({"model": "starter"})["fields"]}
    assert fields["context_length"]["automatic"] == "768"
    assert actions["models_estimate"]({"model": "starter", "options": {}})["context_length"] == 768
    app.close()


@pytest.mark.parametrize(
    ("name", "values", "field", "words"),
    [
        ("models_load", {"options": {"context_length": -1}}, "options.context_length", "must be at least 0"),
        ("models_estimate", {"options": {"nothing": 1}}, "options.nothing", "has no option"),
        ("models_form", {"engine": "transformers"}, "engine", "cannot load"),
        ("models_note", {"note": "x" * 2001}, None, "more than 2,000 characters"),
        ("models_rename", {"new_name": "x" * 201}, None, "more than 200 characters"),
        ("models_favourite", {"favourite": "yes"}, None, "does not understand"),
        ("models_unload", {}, "model", "is not loaded"),
    ],
)
def test_what_is_wrong_is_named(act: Act, name: str, values: View, field: str | None, words: str) -> None:
    error = act(name, model="starter", **values)["error"]
    assert error.get("field") == field
    assert words in error["message"]


def test_loaded_models_are_suggested_before_the_first_sound_one(app: App, act: Act) -> None:
    assert act("chat_state")["suggested"] == "starter"
    act("models_load", model="echo")
    app.models.load("echo").result.result(30)
    state = act("chat_state")
    assert state["suggested"] == "echo"
    assert {one["id"]: one["state"] for one in state["models"]} == {"echo": "ready", "starter": "none"}
    assert act("models_delete", model="starter")["trashed"]["name"] == "starter"
