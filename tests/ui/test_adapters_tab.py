"""The actions on adapters with a model that takes them, and without one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.settings import Settings
from modules.ui.actions import View
from modules.ui.adapters_tab import AdaptersTab
from tests.engines.tiny_adapters import make_adapter
from tests.engines.tiny_models import make_folder

Act = Callable[..., View]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    models = tmp_path / "models"
    base = make_folder(models / "tiny", "llama")
    make_adapter(base, models / "adapters" / "one", ["q_proj"])
    make_adapter(base, models / "adapters" / "two", ["v_proj"], seed=1)
    (models / "adapters" / "broken").mkdir()
    (models / "adapters" / "broken" / "adapter_config.json").write_text("{}")
    app = build_app(Settings(data=tmp_path / "data", models=models))
    yield app
    app.close()


@pytest.fixture
def act(app: App) -> Act:
    actions = AdaptersTab(app).actions()

    def call(name: str, /, **values: Any) -> View:
        return actions[name](values)

    return call


def states(act: Act) -> dict[str, tuple[bool, float | None]]:
    return {one["name"]: (one["loaded"], one["weight"]) for one in act("adapter_list")["adapters"]}


def test_without_a_model_they_are_only_told_of(app: App, act: Act) -> None:
    app.models.load("echo").result.result(30)
    told = act("adapter_list", model="echo")
    assert (told["models"], told["model"]) == ([], None)
    assert [one["name"] for one in told["adapters"]] == ["broken", "one", "two"]
    assert "unknown" in told["adapters"][0]["problem"]
    one = told["adapters"][1]
    assert (one["kind"], one["rank"], one["loaded"], one["weight"]) == ("lora", 4, False, None)
    assert one["size_bytes"] > 0
    assert "is not loaded" in act("adapter_load", model="tiny", name="one")["error"]["message"]


def test_loaded_switched_weighed_and_unloaded(app: App, act: Act) -> None:
    app.models.load("tiny", options={"threads": 1}).result.result(60)
    assert act("adapter_list")["models"] == [{"id": "tiny", "title": "tiny"}]
    act("adapter_load", model="tiny", name="one")
    act("adapter_load", model="tiny", name="two")
    assert states(act) == {"broken": (False, None), "one": (True, None), "two": (True, None)}
    uses = [{"name": "one", "weight": 0.5}, {"name": "two", "weight": 1}]
    assert act("adapter_switch", model="tiny", adapters=uses) == {}
    assert states(act)["one"] == (True, 0.5)
    act("adapter_unload", model="tiny", name="one")
    assert states(act) == {"broken": (False, None), "one": (False, None), "two": (True, 1.0)}
    act("adapter_switch", model="tiny", adapters=[])
    assert states(act)["two"] == (True, None)


WRONG: list[tuple[str, View, str]] = [
    ("adapter_load", {"name": "broken"}, "cannot be used"),
    ("adapter_load", {"name": "../one"}, "cannot be used"),
    ("adapter_unload", {"name": "one"}, "is loaded"),
    ("adapter_switch", {"adapters": [{"name": "one", "weight": 1}]}, "is loaded"),
    ("adapter_switch", {"adapters": [{"name": "one", "weight": 99}]}, "does not understand"),
    ("adapter_switch", {"adapters": [{"name": "one", "weight": "1"}]}, "does not understand"),
]


def test_what_is_wrong_is_named(app: App, act: Act) -> None:
    app.models.load("tiny", options={"threads": 1}).result.result(60)
    for name, values, words in WRONG:
        assert words in act(name, model="tiny", **values)["error"]["message"], (name, values)
