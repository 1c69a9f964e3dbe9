"""Finetuning runs: started, queued, stopped, resumed, published; whatever ends them is said, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.children import Launcher
from modules.errors import BadRequest, Busy, Conflict, NotFound
from modules.library.adapters import describe
from modules.library.library import Library
from modules.paths import PROJECT, Paths
from modules.services.trainable_models import TrainableModels
from modules.services.training import TrainingService
from modules.services.training_deletion import DeletedRuns
from modules.storage.training_runs import TrainingStore
from modules.types.datasets import DataSource, Example
from modules.types.recipes import Recipe
from modules.types.training import LensSample, Prediction, RunState, TokenFacts, TrainingPlan, TrainingRun
from tests.conftest import link_or_copy
from tests.engines.tiny_models import make_folder

FACTS = TokenFacts(samples=20, tokens=200, trained_tokens=100, longest=20, median=10, histogram=())
SAMPLES = tuple(Example(text=f"text {number}", row=number) for number in range(1, 21))
MODEL = "taught"


class FixedPlanner:
    """Chooses the same for every recipe."""

    def __init__(self, refusal: str = "") -> None:
        self._refusal = refusal
        self.learned_from: list[TrainingRun] = []

    def plan(self, recipe: Recipe) -> TrainingPlan:
        chosen = recipe.model_copy(update={"method": recipe.method or "lora", "steps": recipe.steps or 8, "rank": 8})
        prediction = Prediction(10**9, 2 * 10**9, 12.0, 8, 100.0)
        remedies = ("Choose a smaller model.",) if self._refusal else ()
        return TrainingPlan(chosen, {}, FACTS, prediction, refusal=self._refusal, remedies=remedies)

    def lens(self, recipe: Recipe, first: int = 0, count: int = 8) -> tuple[list[LensSample], int]:
        return [LensSample(recipe.seed, first, (), 0.5) for _ in range(count)], 20

    def learn(self, run: TrainingRun) -> None:
        self.learned_from.append(run)

    def close(self) -> None:
        pass


def examples(source: DataSource) -> Iterator[Example]:
    if source.dataset == "broken":
        raise BadRequest("row 3, column text: it is empty", field="data")
    yield from SAMPLES[: source.first_rows or None]


def build(folder: Path, launcher: Launcher, planner: FixedPlanner | None = None) -> TrainingService:
    paths = Paths(folder / "data", folder / "models", folder / "extensions")
    return TrainingService(
        paths,
        TrainableModels(Library(paths.models)),
        planner or FixedPlanner(),
        examples,
        launcher,
        worker="tests.services.scripted_trainer",
    )


@pytest.fixture
def service(tmp_path: Path, launcher: Launcher) -> Iterator[TrainingService]:
    script(tmp_path)
    service = build(tmp_path, launcher)
    yield service
    service.close()


def test_predictions_learn_from_runs_that_have_ended(tmp_path: Path, launcher: Launcher) -> None:
    script(tmp_path)
    planner = FixedPlanner()
    service = build(tmp_path, launcher, planner)
    service.start(recipe("past"))
    wait_for(service, "past", "done")
    deadline = time.monotonic() + 10
    while not planner.learned_from:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(run.record.name, run.record.state, run.summary.step) for run in planner.learned_from] == [
        ("past", "done", 4)
    ]
    service.close()


def script(folder: Path, **script: Any) -> None:
    """A model, and what the training of it does."""
    model = folder / "models" / MODEL
    if not model.is_dir():
        make_folder(model, "llama", num_hidden_layers=1)
    (model / "script.json").write_text(json.dumps({"steps": 4, **script}))


def recipe(name: str, **fields: Any) -> Recipe:
    return Recipe.model_validate({"model": MODEL, "name": name, "data": {"dataset": "texts"}, **fields})


def wait_for(service: TrainingService, name: str, state: RunState) -> TrainingRun:
    deadline = time.monotonic() + 60
    while (run := service.get(name)).record.state != state:
        assert time.monotonic() < deadline, run
        time.sleep(0.02)
    return run


def wait_for_step(service: TrainingService, name: str, step: int) -> None:
    deadline = time.monotonic() + 60
    while service.get(name).summary.step < step:
        assert time.monotonic() < deadline, service.get(name)
        time.sleep(0.02)


def steps_told(service: TrainingService, name: str) -> list[int]:
    lines, _ = service.metrics(name)
    return [line["step"] for line in lines if line["kind"] == "step"]


def test_from_the_start_to_the_adapter(service: TrainingService, tmp_path: Path) -> None:
    begun = service.start(recipe("first"))
    assert begun.record.state in {"queued", "running"}
    assert (begun.record.total_steps, begun.record.predicted_memory_bytes, begun.record.predicted_seconds) == (
        8,
        10**9,
        12,
    )
    assert set(begun.record.versions) >= {"torch", "transformers", "peft"}
    done = wait_for(service, "first", "done")
    assert (done.result, done.record.error, done.record.total_steps) == ("adapter", "", 4)
    summary = done.summary
    assert (summary.step, summary.peak_memory_bytes) == (4, 10**9 + 4)
    assert summary.first_evaluation is not None
    assert summary.first_evaluation.loss == 4.0
    assert summary.best_evaluation is not None
    assert (summary.best_evaluation.step, summary.best_evaluation.loss) == (4, 2.5)
    adapter = tmp_path / "models" / "adapters" / "first"
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "parlor-recipe.yaml",
    }  # fmt: skip
    # What was chosen is written down, so that the file makes the same run again.
    assert "rank: 8" in service.recipe_text("first")
    assert service.get("first").recipe.rank == 8
    assert "the last step" in service.log("first")
    assert [run.record.name for run in service.runs()] == ["first"]
    with pytest.raises(BadRequest, match="nothing to resume"):
        service.resume("first")


def test_metrics_are_read_from_where_one_is(service: TrainingService) -> None:
    service.start(recipe("told"))
    wait_for(service, "told", "done")
    lines, count = service.metrics("told")
    assert [line["kind"] for line in lines] == ["evaluation", "step", "step", "step", "step", "evaluation", "result"]
    assert count == 7
    assert service.metrics("told", 4) == (lines[4:], 7)
    assert service.metrics("told", 7) == ([], 7)
    # Who knows more lines than there are has those of before a resume.
    assert service.metrics("told", 99) == (lines, 7)


def test_samples_are_split_by_the_seed(service: TrainingService, tmp_path: Path) -> None:
    rows: dict[str, list[list[int]]] = {}
    for name, fields in {"a": {}, "b": {}, "c": {"seed": 7}, "d": {"evaluation_share": 0}}.items():
        service.start(recipe(name, **{"evaluation_share": 0.2, **fields}))
        folder = tmp_path / "data" / "training" / name
        files = [(folder / file).read_text().splitlines() for file in ("samples.jsonl", "evaluation.jsonl")]
        rows[name] = [[json.loads(line)["row"] for line in lines] for lines in files]
    assert rows["a"] == rows["b"] != rows["c"]
    assert [len(part) for part in rows["a"]] == [16, 4]
    assert sorted(rows["a"][0] + rows["a"][1]) == list(range(1, 21))
    assert rows["a"][0] == sorted(rows["a"][0])
    assert rows["d"] == [list(range(1, 21)), []]
    fingerprints = {name: service.get(name).record.data_fingerprint for name in rows}
    assert len(set(fingerprints.values())) == 1


def test_other_samples_to_judge_by(service: TrainingService, tmp_path: Path) -> None:
    service.start(recipe("judged", evaluation_data={"dataset": "others", "first_rows": 3}))
    folder = tmp_path / "data" / "training" / "judged"
    counts = [len((folder / file).read_text().splitlines()) for file in ("samples.jsonl", "evaluation.jsonl")]
    assert counts == [20, 3]


def test_a_second_run_waits_for_the_first(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, seconds=0.1)
    service.start(recipe("first"))
    second, third = service.start(recipe("second")), service.start(recipe("third"))
    assert [(run.record.state, run.place_in_queue) for run in (second, third)] == [("queued", 1), ("queued", 2)]
    with pytest.raises(Busy, match="Stop it first"):
        service.delete("second")
    waited = service.stop("second")
    assert (waited.record.state, waited.mark) == ("stopped", "Stopped before its first step.")
    assert service.get("third").place_in_queue == 1
    wait_for(service, "third", "done")
    assert service.get("first").record.state == "done"
    assert service.get("second").record.state == "stopped"
    assert service.get("first").record.ended <= service.get("third").record.started  # type: ignore[operator]
    service.resume("second")
    assert wait_for(service, "second", "done").result == "adapter"


def test_stopped_and_resumed(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, steps=40, seconds=0.05)
    service.start(recipe("halted"))
    wait_for_step(service, "halted", 2)
    running = service.get("halted")
    assert running.record.state == "running"
    assert running.seconds_left is not None
    assert 0 < running.seconds_left <= 0.5 * 38
    service.stop("halted")
    stopped = wait_for(service, "halted", "stopped")
    assert 2 <= stopped.summary.step < 40
    assert stopped.seconds_left is None
    script(tmp_path, steps=stopped.summary.step + 2)
    service.resume("halted")
    done = wait_for(service, "halted", "done")
    assert steps_told(service, "halted") == list(range(1, stopped.summary.step + 3))
    assert done.record.started == stopped.record.started


def test_what_was_learned_until_a_stop_is_an_adapter_until_more_is(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, steps=40, seconds=0.05)
    service.start(recipe("halted"))
    wait_for_step(service, "halted", 2)
    service.stop("halted")
    stopped = wait_for(service, "halted", "stopped")
    step = stopped.summary.step
    adapter = tmp_path / "models" / "adapters" / "halted"
    assert (stopped.result, stopped.summary.result_step, learned_steps(adapter)) == ("adapter", step, step)
    mark = f"Stopped at step {step} of 40. These are the weights of step {step}."
    assert (adapter / "parlor-recipe.yaml").read_text().startswith(f"# {mark}\n")
    assert (stopped.mark, describe(adapter).mark) == (mark, mark)
    script(tmp_path, steps=step + 2, seconds=0.2)
    assert service.resume("halted").result == ""
    assert learned_steps(adapter) == step
    done = wait_for(service, "halted", "done")
    assert (done.result, done.summary.result_step, learned_steps(adapter)) == ("adapter", step + 2, step + 2)
    assert (adapter / "parlor-recipe.yaml").read_text() == service.recipe_text("halted")
    assert describe(adapter).mark == ""
    assert [path.name for path in adapter.parent.iterdir()] == ["halted"]


def learned_steps(adapter: Path) -> int:
    return int.from_bytes((adapter / "adapter_model.safetensors").read_bytes()[-4:], "little")


def test_an_adapter_of_another_is_not_replaced_after_a_stop(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, steps=40, seconds=0.05)
    service.start(recipe("mine"))
    wait_for_step(service, "mine", 2)
    other = tmp_path / "models" / "adapters" / "mine"
    other.mkdir(parents=True)
    service.stop("mine")
    stopped = wait_for(service, "mine", "stopped")
    assert (stopped.result, list(other.iterdir())) == ("", [])
    assert "There is an adapter called mine already" in stopped.record.error
    other.rmdir()
    script(tmp_path, steps=stopped.summary.step + 1)
    service.resume("mine")
    assert wait_for(service, "mine", "done").result == "adapter"


def test_a_process_that_does_not_listen_is_stopped_at_once(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, steps=3, seconds=50)
    service.start(recipe("deaf"))
    assert service.stop("deaf").record.note == "finishing the step and saving"
    service.stop("deaf", at_once=True)
    assert wait_for(service, "deaf", "stopped").record.error == ""


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("killed", "when memory runs out"),
        ("oom", "needs more memory than there is. Choose a smaller max_length"),
        ("out_of_memory", "The loss is not a number. Choose a smaller max_length"),
        ("other", "The loss is not a number."),
        ("hollow", "left no adapter"),
    ],
)
def test_a_failure_is_said_and_can_be_resumed(service: TrainingService, tmp_path: Path, end: str, said: str) -> None:
    script(tmp_path, end=end)
    service.start(recipe("unlucky"))
    failed = wait_for(service, "unlucky", "failed")
    assert said in failed.record.error
    assert not (tmp_path / "models" / "adapters" / "unlucky").exists()
    script(tmp_path)
    service.resume("unlucky")
    done = wait_for(service, "unlucky", "done")
    assert (done.result, done.record.error) == ("adapter", "")


def test_what_was_there_before_is_never_overwritten(service: TrainingService, tmp_path: Path) -> None:
    script(tmp_path, seconds=0.1)
    service.start(recipe("mine"))
    earlier = tmp_path / "models" / "adapters" / "mine"
    earlier.mkdir(parents=True)
    (earlier / "adapter_config.json").write_text("{}")
    failed = wait_for(service, "mine", "failed")
    assert "already" in failed.record.error
    assert [path.name for path in earlier.iterdir()] == ["adapter_config.json"]
    with pytest.raises(Conflict):
        service.resume("mine")
    earlier.rename(tmp_path / "models" / "adapters" / "older")
    service.resume("mine")
    assert wait_for(service, "mine", "done").result == "adapter"


def test_a_plan_tells_a_name_that_cannot_be_had(service: TrainingService, tmp_path: Path) -> None:
    (tmp_path / "models" / "adapters" / "taken").mkdir(parents=True)
    service.start(recipe("at-work"))
    faults = {name: service.plan(recipe(name)).name_fault for name in ("taken", "at-work", "../out", "free")}
    assert "an adapter called taken already" in faults["taken"]
    assert "a run called at-work already" in faults["at-work"]
    assert "only letters" in faults["../out"]
    assert faults["free"] == ""


def test_what_cannot_begin_leaves_nothing_behind(service: TrainingService, tmp_path: Path, starter_file: Path) -> None:
    (tmp_path / "models" / "adapters" / "taken").mkdir(parents=True)
    link_or_copy(starter_file, tmp_path / "models" / starter_file.name)
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"name": "taken"}, Conflict, "an adapter called taken already"),
        ({"name": MODEL, "method": "full"}, Conflict, "a model called taught already"),
        ({"name": "../out"}, BadRequest, "only letters"),
        ({"model": "nobody"}, NotFound, "no model called 'nobody'"),
        ({"model": "echo"}, BadRequest, "echo cannot be trained"),
        ({"model": "starter"}, BadRequest, "webui.py convert starter NEW-NAME"),
        ({"data": {"dataset": "broken"}}, BadRequest, "row 3, column text"),
        ({"data": {"dataset": "texts", "first_rows": 1}, "evaluation_share": 0.05}, BadRequest, "leaves none to learn"),
    ]
    for fields, error, said in wrong:
        with pytest.raises(error, match=said):
            service.start(recipe(**{"name": "bad", **fields}))
    assert service.runs() == []
    assert not list((tmp_path / "data" / "training").glob("*"))
    service.start(recipe("good"))
    with pytest.raises(Conflict, match="a run called good already"):
        service.start(recipe("good"))
    wait_for(service, "good", "done")
    service.delete("good")
    assert service.runs() == []
    assert (tmp_path / "models" / "adapters" / "good").is_dir()
    with pytest.raises(NotFound, match="no run called 'good'"):
        service.resume("good")


def test_a_deleted_run_can_be_had_back(service: TrainingService, tmp_path: Path) -> None:
    service.start(recipe("dear"))
    done = wait_for(service, "dear", "done")
    deleted = service.delete("dear")
    assert deleted.kept == "models/adapters/dear"
    assert service.runs() == []
    assert (tmp_path / deleted.kept / "adapter_config.json").is_file()
    assert service.restore(deleted.undo) == done
    assert steps_told(service, "dear") == [1, 2, 3, 4]
    with pytest.raises(NotFound, match="gone for good"):
        service.restore(deleted.undo)


def test_a_deleted_run_is_gone_after_a_while(tmp_path: Path, launcher: Launcher) -> None:
    script(tmp_path)
    service = build(tmp_path, launcher)
    for name in ("early", "late"):
        service.start(recipe(name))
        wait_for(service, name, "done")
    folder = tmp_path / "data" / "training"
    store = TrainingStore(folder)
    early = DeletedRuns(store, seconds=0.05)
    token = early.add("early")
    deadline = time.monotonic() + 10
    while len(list(folder.iterdir())) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(NotFound):
        early.restore(token)
    service.delete("late")
    assert list(folder.iterdir())
    service.close()
    assert not list(folder.iterdir())


def test_a_plan_that_does_not_fit_is_refused(tmp_path: Path, launcher: Launcher) -> None:
    script(tmp_path)
    refusing = build(tmp_path, launcher, FixedPlanner("It needs 90 GB, and 4 GB are free."))
    with pytest.raises(BadRequest, match=r"needs 90 GB, and 4 GB are free\. Choose a smaller model\."):
        refusing.start(recipe("big"))
    assert refusing.runs() == []


def test_the_end_of_the_program_saves_the_run(tmp_path: Path, launcher: Launcher) -> None:
    script(tmp_path, steps=200, seconds=0.05)
    service = build(tmp_path, launcher)
    service.start(recipe("left"))
    service.start(recipe("waiting"))
    wait_for_step(service, "left", 2)
    service.close()
    again = build(tmp_path, launcher)
    states = {run.record.name: (run.record.state, run.record.note[:30]) for run in again.runs()}
    assert states == dict.fromkeys(("left", "waiting"), ("interrupted", "The program ended meanwhile. R"))
    step = again.get("left").summary.step
    script(tmp_path, steps=step + 1)
    again.resume("left")
    assert wait_for(again, "left", "done").summary.step == step + 1
    again.close()


KILLED = """
import sys, time
from pathlib import Path
from modules.children import Launcher
from tests.services.test_training import build, recipe
service = build(Path(sys.argv[1]), Launcher())
service.start(recipe("killed"))
time.sleep(60)
"""


def test_a_killed_program_leaves_a_run_that_goes_on(tmp_path: Path, launcher: Launcher) -> None:
    script(tmp_path, steps=200, seconds=0.05)
    program = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=PROJECT)
    metrics = tmp_path / "data" / "training" / "killed" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not metrics.is_file() or metrics.read_bytes().count(b"\n") < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.send_signal(signal.SIGKILL)
    program.wait(10)
    time.sleep(0.3)
    told = metrics.read_bytes()
    os.truncate(metrics, len(told) - 5)
    service = build(tmp_path, launcher)
    run = service.get("killed")
    assert (run.record.state, run.summary.step) == ("interrupted", told.count(b"\n") - 2)
    assert metrics.read_bytes() == told[:-5]
    os.truncate(metrics, told[:-1].rindex(b"\n") + 1)
    script(tmp_path, steps=run.summary.step + 2)
    service.resume("killed")
    assert wait_for(service, "killed", "done").summary.step == run.summary.step + 2
    service.close()


def test_metrics_cut_off_by_a_resume_are_forgotten(service: TrainingService, tmp_path: Path) -> None:
    service.start(recipe("cut"))
    wait_for(service, "cut", "done")
    metrics = tmp_path / "data" / "training" / "cut" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    other = [line.replace('"loss": 3', '"loss": 1') for line in lines]
    metrics.write_text("".join(lines[:2] + other[2:] + other[-1:]))
    assert service.get("cut").summary.metrics is not None
    assert service.metrics("cut", 6)[1] == 8
    assert service.get("cut").summary.metrics.loss == 1.6  # type: ignore[union-attr]
