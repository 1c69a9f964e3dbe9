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
from tests.engines.tiny_gguf import make_gguf
from tests.engines.tiny_models import make_encoder
from tests.library.gguf_files import write_gguf

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


def listed(act: Act) -> list[View]:
    """Without what is built in."""
    return [one for one in act("models_list")["models"] if not one["is_built_in"]]


def test_a_model_is_told_of_from_its_header_without_its_path(act: Act, models_folder: Path) -> None:
    listed = act("models_list")
    model, echo = listed["models"]
    assert (echo["id"], echo["is_built_in"], model["is_built_in"]) == ("echo", True, False)
    assert (model["id"], model["quantization"], model["context_length"]) == ("starter", "Q4_1", 8192)
    assert (model["layers"], model["heads"], model["kv_heads"]) == (30, 9, 3)
    assert (model["state"], model["last_used"], model["user_note"]) == ("none", None, "")
    assert listed["memory"]["budget_bytes"] > listed["memory"]["used_bytes"] == 0
    assert str(models_folder) not in json.dumps(listed)


def test_favourites_notes_and_names_are_kept(act: Act) -> None:
    act("models_favourite", model="starter", favourite=True)
    act("models_note", model="starter", note="Good for quick tests")
    assert act("models_rename", model="starter", new_name="tiny") == {"model": "tiny"}
    model = listed(act)[0]
    assert (model["id"], model["favourite"], model["user_note"]) == ("tiny", True, "Good for quick tests")
    picked = {one["id"]: one["favourite"] for one in act("chat_state")["models"]}
    assert picked == {"tiny": True, "echo": False}


@pytest.mark.parametrize(
    ("name", "words"), [("", "it is empty"), ("maker/tiny", "holds no /"), ("..", "must not begin")]
)
def test_a_name_that_cannot_be_is_refused_at_its_field(act: Act, name: str, words: str) -> None:
    error = act("models_rename", model="starter", new_name=name)["error"]
    assert (error["field"], listed(act)[0]["id"]) == ("name", "starter")
    assert words in error["message"]


def test_a_renamed_model_keeps_its_folder(act: Act, models_folder: Path) -> None:
    write_gguf(models_folder / "maker" / "one.gguf")
    assert act("models_rename", model="maker/one", new_name="two") == {"model": "maker/two"}
    assert (models_folder / "maker" / "two.gguf").is_file()


def test_a_linked_model_says_where_it_lies_and_its_deletion_takes_nothing(app: App, act: Act, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "far.gguf"
    write_gguf(path)
    app.library.import_model(str(path), "far", copy=False)
    assert {one["id"]: one["location"] for one in listed(act)} == {"far": str(path), "starter": ""}
    assert act("models_delete", model="far")["trashed"]["is_link"]
    assert not act("models_delete", model="starter")["trashed"]["is_link"]
    assert path.is_file()


def test_a_loaded_model_is_unloaded_and_deleted(act: Act, app: App, models_folder: Path) -> None:
    make_gguf(models_folder / "tiny.gguf")
    app.models.load("tiny", options={"threads": 1}).result.result(60)
    assert "Unload it first" in act("models_delete", model="tiny")["error"]["message"]
    act("models_unload", model="tiny")
    assert act("models_delete", model="tiny")["trashed"]["name"] == "tiny"


def test_memory_needs_are_told_of_sound_models_here(act: Act, app: App, models_folder: Path) -> None:
    (models_folder / "broken.gguf").write_bytes(b"GGUF")
    needs = act("models_needs")["needs"]
    assert set(needs) == {"starter"}
    assert needs["starter"] == app.models.estimate("starter").memory.value
    app.models.load("starter", options={"context_length": 512}).result.result(60)
    taken = act("models_needs")["needs"]["starter"]
    assert taken == pytest.approx(app.models.memory().used_bytes, rel=0.1)


def test_a_deleted_model_comes_back_or_is_gone_for_good(act: Act) -> None:
    trashed = act("models_delete", model="starter")["trashed"]
    assert listed(act) == []
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


def test_a_model_that_only_embeds_is_not_suggested(app: App, act: Act, models_folder: Path) -> None:
    make_encoder(models_folder / "embeds", "bert")
    app.models.load("embeds", options={"threads": 1}).result.result(60)
    assert act("chat_state")["suggested"] == "starter"
    assert act("models_delete", model="starter")["trashed"]["name"] == "starter"
    assert act("chat_state")["suggested"] is None


def test_loaded_models_are_suggested_before_the_first_sound_one(app: App, act: Act) -> None:
    assert act("chat_state")["suggested"] == "starter"
    act("models_load", model="echo")
    app.models.load("echo").result.result(30)
    state = act("chat_state")
    assert state["suggested"] == "echo"
    assert {one["id"]: one["state"] for one in state["models"]} == {"echo": "ready", "starter": "none"}
    assert act("models_delete", model="starter")["trashed"]["name"] == "starter"
