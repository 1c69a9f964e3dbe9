"""What a run has made, in use and side by side: on the model it belongs to, and nothing else changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.app import App, build_app
from modules.children import Launcher
from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.services.training_comparison import TrainingComparison
from modules.settings import Settings
from modules.types.generation import Finished
from tests.engines.tiny_adapters import make_adapter
from tests.engines.tiny_models import make_folder, words
from tests.services.test_training import build

PROMPT = words([5, 9, 17])
TARGETS = ["q_proj", "v_proj", "down_proj"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("comparison")
    base = make_folder(folder / "models" / "tiny", "llama")
    for seed, name in enumerate(("one", "two"), start=1):
        make_adapter(base, folder / "models" / "adapters" / name, TARGETS, seed=seed)
    other = make_folder(folder / "elsewhere", "llama")
    make_adapter(other, folder / "models" / "adapters" / "foreign", TARGETS, seed=1)
    app = build_app(Settings(data=folder / "data", models=folder / "models", threads=1))
    yield app
    app.close()


@pytest.fixture(scope="module")
def comparison(app: App, launcher: Launcher) -> TrainingComparison:
    training = build(Path(app.paths.models).parent, launcher)
    return TrainingComparison(training, AdapterLibrary(app.paths.adapters), app.models, app.adapters, app.inference)


def switched_on(app: App) -> dict[str, float | None]:
    return {one.adapter.name: one.weight for one in app.adapters.adapters("tiny") if one.loaded}


def compared(comparison: TrainingComparison, name: str) -> list[str]:
    """Both whole answers."""
    replies = comparison.compare(name, PROMPT, max_tokens=8)
    for reply in replies:
        assert isinstance(list(reply)[-1], Finished)
    return [reply.text for reply in replies]


def test_used_and_compared(app: App, comparison: TrainingComparison) -> None:
    assert app.models.statuses() == []
    first = compared(comparison, "one")
    assert first[0] != first[1]
    assert switched_on(app) == {"one": None}
    assert comparison.use("two") == ("tiny", "two")
    assert switched_on(app) == {"one": None, "two": 1.0}
    pid = app.models.statuses()[0].worker_pid
    assert compared(comparison, "one") == first
    assert switched_on(app) == {"one": None, "two": 1.0}
    assert comparison.use("one") == ("tiny", "one")
    assert switched_on(app) == {"one": 1.0, "two": None}
    # Nothing was loaded anew for it.
    assert [status.worker_pid for status in app.models.statuses()] == [pid]


def test_whose_model_is_not_known(comparison: TrainingComparison) -> None:
    with pytest.raises(BadRequest, match="Name the model"):
        comparison.use("foreign")
    assert comparison.use("foreign", "tiny") == ("tiny", "foreign")
    with pytest.raises(NotFound, match="no adapter called"):
        comparison.use("nobody")
    with pytest.raises(NotFound, match="no model called"):
        comparison.compare("one", PROMPT, "nobody")


def test_an_adapter_whose_folder_is_gone_can_still_be_put_down(app: App, comparison: TrainingComparison) -> None:
    comparison.use("two")
    place = app.paths.adapters / "two"
    aside = place.rename(app.paths.adapters.parent / "aside")
    (gone,) = (one for one in app.adapters.adapters("tiny") if one.adapter.problem)
    assert (gone.adapter.name, gone.loaded, gone.weight) == ("two", True, 1.0)
    app.adapters.unload("two", "tiny")
    assert "two" not in [one.adapter.name for one in app.adapters.adapters("tiny")]
    aside.rename(place)
