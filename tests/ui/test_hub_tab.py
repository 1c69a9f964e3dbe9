"""The page's actions on a hub that a test plays: what is here already, what a download has become."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.settings import Settings
from modules.ui.actions import View
from modules.ui.hub_tab import HubTab
from modules.ui.models_tab import ModelsTab
from tests.hub.fake_hub import FakeHub
from tests.library.gguf_files import write_gguf

Act = Callable[..., View]
STARTER = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHARDS = ("Q8_0/big-Q8_0-00001-of-00002.gguf", "Q8_0/big-Q8_0-00002-of-00002.gguf")
PROJECTOR = "mmproj-F16.gguf"


@pytest.fixture
def gguf(tmp_path: Path) -> bytes:
    path = tmp_path / "any.gguf"
    write_gguf(path)
    return path.read_bytes()


@pytest.fixture
def hub(gguf: bytes) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("maker/small", {STARTER: gguf, "README.md": b"# It"})
        hub.add("maker/big", {**dict.fromkeys(SHARDS, gguf), "big-Q4_0.gguf": gguf, PROJECTOR: gguf})
        yield hub


@pytest.fixture
def app(hub: FakeHub, tmp_path: Path) -> Iterator[App]:
    app = build_app(Settings(data=tmp_path / "data", models=tmp_path / "models", hub_endpoint=hub.endpoint))
    yield app
    app.close()


@pytest.fixture
def act(app: App) -> Act:
    actions = {**HubTab(app).actions(), **ModelsTab(app).actions()}

    def call(name: str, /, **values: Any) -> View:
        return actions[name](values)

    return call


def standings(act: Act, repository: str) -> dict[str, list[View]]:
    return {one["name"]: one["standings"] for one in act("hub_model", repository=repository)["choices"]}


def fetched(app: App, act: Act, repository: str, **values: Any) -> View:
    """The download as the page is told of it when it has ended."""
    begun = act("download_start", source=repository, **values)["download"]
    assert begun["model"] == ""
    app.downloads.wait(begun["id"], 30)
    return next(one for one in act("download_list")["downloads"] if one["id"] == begun["id"])


def test_a_file_goes_by_its_own_name_whatever_that_is(app: App, act: Act) -> None:
    (before,) = standings(act, "maker/small")["Q4_1"]
    assert (before["target"], before["is_here"], before["model"], before["problem"]) == (STARTER, False, "", "")
    done = fetched(app, act, "maker/small")
    assert (done["state"], done["id"], done["model"]) == ("done", before["download_id"], "starter")
    (after,) = standings(act, "maker/small")["Q4_1"]
    assert after == {**before, "is_here": True, "model": "starter"}
    act("models_delete", model="starter")
    assert standings(act, "maker/small")["Q4_1"] == [before]
    assert act("download_list")["downloads"][0]["model"] == ""


def test_sets_and_image_readers_are_told_apart(app: App, act: Act) -> None:
    shards = fetched(app, act, "maker/big", choice="Q8_0")
    seeing = fetched(app, act, "maker/big", choice="Q4_0", projector=True)
    here = {listed["id"] for listed in act("models_list")["models"]}
    assert {shards["model"], seeing["model"]} <= here
    told = standings(act, "maker/big")
    assert [one["is_here"] for one in told["Q8_0"]] == [True, False]
    assert [one["is_here"] for one in told["Q4_0"]] == [False, True]
    assert told["Q4_0"][1]["model"] == seeing["model"]


def test_a_place_that_is_taken_says_so_before_it_is_asked_for(act: Act, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / STARTER).write_bytes(b"something else")
    (told,) = standings(act, "maker/small")["Q4_1"]
    assert (told["is_here"], told["model"]) == (False, "")
    assert told["problem"].startswith(f"There is something called {STARTER} among the models already")
    assert act("download_start", source="maker/small")["error"]["message"] == told["problem"]


def test_a_cut_card_tells_the_size_of_the_whole(hub: FakeHub, act: Act, gguf: bytes) -> None:
    hub.add("maker/talker", {"m-Q4_0.gguf": gguf, "README.md": b"# Words\n\nword word\n\n" * 100_000})
    assert "200 kB of 2,000 kB" in act("hub_model", repository="maker/talker")["card"]
