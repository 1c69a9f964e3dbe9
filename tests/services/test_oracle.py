"""The oracle on this machine: measured once, corrected by what was, and never waiting."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.app import App, build_app
from modules.children import Launcher
from modules.engines.llamacpp.kind import LLAMACPP
from modules.errors import BadRequest
from modules.machine import identity
from modules.services.oracle import Oracle, fit_of
from modules.settings import Settings
from modules.storage.database import Database
from modules.storage.model_runs import ModelRunStore
from modules.types.estimates import MemoryEstimate
from modules.types.local_model import LocalModel, ModelShape
from modules.types.machine import Gpu, Machine
from modules.types.messages import Message
from modules.types.model_runs import ModelRun
from modules.types.reply_params import ReplyParams

GIB = 2**30
SHAPE = ModelShape("llama", 10**9, 10, 2, 64, 64, 8192)
MODEL = LocalModel("m", "M", "gguf", size_bytes=GIB // 4, shape=SHAPE, quantization="Q8_0")
OPTIONS = {"context_length": 1024, "slots": 1}


@pytest.fixture
def runs(tmp_path: Path) -> ModelRunStore:
    return ModelRunStore(Database.open(tmp_path / "parlor.db"), identity())


@pytest.fixture
def oracle(runs: ModelRunStore, launcher: Launcher) -> Iterator[Oracle]:
    runs.keep_bandwidth(25e9)
    oracle = Oracle(runs, launcher, tuple)
    yield oracle
    oracle.close()


def wait_for(happened: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_machine_is_measured_once_and_meanwhile_nobody_waits(
    runs: ModelRunStore, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = launcher.start

    def counted(module: str) -> Any:
        started.append(module)
        return start(module)

    monkeypatch.setattr(launcher, "start", counted)
    oracle = Oracle(runs, launcher, tuple)
    assert [oracle.estimate(MODEL, LLAMACPP, OPTIONS).tokens_per_second for _ in range(3)] == [None] * 3
    wait_for(runs.bandwidth)
    assert oracle.estimate(MODEL, LLAMACPP, OPTIONS).tokens_per_second is not None
    again = Oracle(runs, launcher, tuple)
    assert again.estimate(MODEL, LLAMACPP, OPTIONS).tokens_per_second is not None
    assert again.machine().bandwidth == oracle.machine().bandwidth > 1e8
    assert started == ["modules.machine_probe"]
    oracle.close()
    again.close()


def test_predictions_follow_what_was(oracle: Oracle, runs: ModelRunStore) -> None:
    before = oracle.estimate(MODEL, LLAMACPP, OPTIONS)
    assert before.tokens_per_second is not None
    predicted = before.tokens_per_second.value
    for _ in range(3):
        runs.add(ModelRun("m", "llamacpp", "Q8_0", "speed", predicted, predicted / 2, 1.0))
        runs.add(ModelRun("m", "llamacpp", "Q8_0", "memory", 100.0, 120.0, 1.0))
    after = oracle.estimate(MODEL, LLAMACPP, OPTIONS)
    assert after.tokens_per_second is not None
    assert after.tokens_per_second.value == pytest.approx(predicted / 2)
    assert after.tokens_per_second.high / after.tokens_per_second.value == pytest.approx(1.15)
    assert after.memory.value == pytest.approx(1.2 * after.parts.total_bytes + LLAMACPP.worker_bytes)
    assert [run.figure for run in oracle.history("m")] == ["memory", "speed"] * 3


@pytest.mark.parametrize(
    ("weights", "on_gpu", "expected"),
    [(8, 0, "cpu"), (8, 8, "gpu"), (8, 4, "partly"), (15.5, 0, "no"), (24, 12, "partly")],
)
def test_where_it_would_run(weights: float, on_gpu: float, expected: str) -> None:
    machine = Machine(8, 16 * GIB, 12 * GIB, (Gpu("card", 24 * GIB, 24 * GIB),))
    assert fit_of(MemoryEstimate(int(weights * GIB), gpu_bytes=int(on_gpu * GIB)), machine) == expected


def test_what_does_not_fit_is_said_in_a_sentence(oracle: Oracle) -> None:
    huge = replace(MODEL, size_bytes=10**13)
    said = oracle.estimate(huge, LLAMACPP, OPTIONS)
    assert said.fit == "no"
    assert said.tokens_per_second is None
    assert said.parts.weights_bytes == 10**13
    assert "more than this machine's" in said.note


def test_a_run_is_compared_with_what_was_predicted(tmp_path: Path, starter_file: Path) -> None:
    """With a copy of the file: of pages that others have mapped too, a worker is charged its share only."""
    models_folder = tmp_path / "models"
    models_folder.mkdir()
    shutil.copyfile(starter_file, models_folder / starter_file.name)
    app = build_app(Settings(data=tmp_path / "data", models=models_folder))
    try:
        said = estimate_when_measured(app)
        app.models.load("starter", options={"context_length": 512, "slots": 1}).result.result(120)
        reply = app.inference.chat([Message("user", "Tell me a story.")], ReplyParams(max_tokens=48), "starter")
        assert list(reply)
        wait_for(lambda: len(app.oracle.history("starter")) == 2)
        memory = next(run for run in app.oracle.history("starter") if run.figure == "memory")
        assert memory.predicted == said.parts.total_bytes
        assert memory.actual == pytest.approx(memory.predicted, abs=max(0.1 * memory.predicted, 20 * 2**20))
        speed = next(run for run in app.oracle.history("starter") if run.figure == "speed")
        assert speed.actual > 0
    finally:
        app.close()


def estimate_when_measured(app: App) -> Any:
    options = {"context_length": 512, "slots": 1}
    wait_for(lambda: app.models.estimate("starter", options=options).tokens_per_second)
    with pytest.raises(BadRequest, match="Context length"):
        app.models.estimate("starter", options={"context_length": -1})
    return app.models.estimate("starter", options=options)
