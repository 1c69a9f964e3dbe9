"""A run of two processes as the program has it: what is killed of it, or all of it, goes on to the same numbers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from modules.children import Launcher
from modules.library.library import Library
from modules.paths import PROJECT, Paths
from modules.services.trainable_models import TrainableModels
from modules.services.training import TrainingService
from modules.training.distributed import Group, launch
from modules.training.orders import Order
from modules.training.running import train
from modules.training.telling import RunFolder
from modules.types.datasets import Example
from modules.types.recipes import Recipe
from tests.engines.tiny_models import make_folder
from tests.services.test_training import FixedPlanner
from tests.training.runs import make_recipe, make_run, metrics, samples
from tests.training.test_running import assert_same_run

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="kill -9, and processes of processes"),
]

NAME, STEPS, COUNT = "shared", 40, 24
RANK = "modules.training.rank"
PROGRAM = """
import sys, time
from pathlib import Path
from modules.children import Launcher
from tests.services.test_training_processes import build, recipe
service = build(Path(sys.argv[1]), Launcher())
service.start(recipe(processes=2))
time.sleep(300)
"""


def recipe(**fields: Any) -> Recipe:
    """Adam would make much of the last bits of gradients that are almost zero."""
    told = {"evaluate_every": 20, "evaluation_share": 0.2, "probes": ("t5",), "probe_tokens": 2}
    return make_recipe(name=NAME, steps=STEPS, optimizer="sgd", checkpoint_every=2, **told, **fields)


def build(folder: Path, launcher: Launcher) -> TrainingService:
    paths = Paths(folder / "data", folder / "models", folder / "extensions")
    texts = [Example(text=text, row=row) for row, text in enumerate(samples(COUNT), 1)]
    models = TrainableModels(Library(paths.models))
    return TrainingService(paths, models, FixedPlanner(), lambda _source: iter(texts), launcher, threads=2)


def ranks(folder: Path) -> list[psutil.Process]:
    """The processes of the run, the first one first."""
    found = [
        one for one in psutil.process_iter(["cmdline", "environ"])
        if RANK in (one.info["cmdline"] or ()) and str(folder) in " ".join(one.info["cmdline"])
        and "RANK" in (one.info["environ"] or {})
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.info["environ"]["RANK"])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 150
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_as_a_whole_and_in_part_it_comes_to_the_same_numbers(tmp_path: Path, launcher: Launcher) -> None:
    model = make_folder(tmp_path / "models" / "tiny", "llama", initializer_range=0.1)
    folder = tmp_path / "data" / "training" / NAME
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=PROJECT)
    checkpoints = folder / "checkpoints"
    wait_until(lambda: checkpoints.is_dir() and len(list(checkpoints.glob("step-*[0-9]"))) > 0)
    assert len(ranks(folder)) == 2
    program.send_signal(signal.SIGKILL)
    program.wait(10)
    wait_until(lambda: not ranks(folder))

    service = build(tmp_path, launcher)
    interrupted = service.get(NAME)
    assert (interrupted.record.state, interrupted.summary.step > 0) == ("interrupted", True)
    service.resume(NAME)
    wait_until(lambda: service.get(NAME).summary.step >= interrupted.summary.step + 3)
    _, second = ranks(folder)
    os.kill(second.pid, signal.SIGKILL)
    wait_until(lambda: service.get(NAME).record.state == "failed")
    failed = service.get(NAME)
    assert "One of the 2 training processes ended unexpectedly" in failed.record.error
    assert 0 < failed.summary.step < STEPS
    assert not ranks(folder)
    service.resume(NAME)
    wait_until(lambda: service.get(NAME).record.state == "done")
    done = service.get(NAME)
    assert (done.result, done.record.error) == ("adapter", "")

    planned = service.get(NAME).recipe
    alone = make_run(tmp_path / "alone", planned.model_copy(update={"accumulation": 4, "processes": 1}))
    for name in ("samples.jsonl", "evaluation.jsonl"):
        (alone / name).write_bytes((folder / name).read_bytes())
    train(Order(alone, model, 1), Group(), RunFolder(alone, lambda line: None), lambda: False)
    assert [line["step"] for line in metrics(folder, "answer")] == list(range(0, STEPS + 1, 2))
    assert json.loads((folder / "accelerate.yaml").read_text())["num_processes"] == 2
    (tmp_path / "models" / "adapters" / NAME).rename(folder / "result")
    assert_same_run(folder, alone)
    service.close()


def test_two_machines_come_to_the_numbers_of_one(tmp_path: Path) -> None:
    """Both are this one: the second is started with the command that the log gives for it."""
    model = make_folder(tmp_path / "models" / "tiny", "llama", initializer_range=0.1)
    shared = {"steps": 4, "optimizer": "sgd"}
    planned = make_recipe(**shared, accumulation=1, processes=2, machines=2, main_address="127.0.0.1")
    folder = make_run(tmp_path / "shared", planned)
    told: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    order, stop = Order(folder, model, 1), threading.Event()
    teller = RunFolder(folder, lambda line: told.append(json.loads(line)))
    first = threading.Thread(target=lambda: ends.append(launch(order, planned, teller, stop)))
    first.start()
    wait_until(lambda: bool(told))
    assert told[0]["note"] == "waiting for the other machines; the log says what to start there"
    line = (folder / "log.txt").read_text().splitlines()[1]
    second = subprocess.run(line[line.index("cd ") :], shell=True, check=False, timeout=150)
    first.join(150)
    assert (second.returncode, ends) == (0, [{"kind": "done", "step": 4}])
    assert [
        (one["num_machines"], one["machine_rank"], one["main_process_ip"])
        for one in (json.loads((folder / name).read_text()) for name in ("accelerate.yaml", "accelerate-1.yaml"))
    ] == [(2, 0, "127.0.0.1"), (2, 1, "127.0.0.1")]

    alone = make_run(tmp_path / "alone", make_recipe(**shared, accumulation=2))
    train(Order(alone, model, 1), Group(), RunFolder(alone, lambda line: None), lambda: False)
    assert_same_run(folder, alone)


def test_a_run_that_waits_for_other_machines_can_be_stopped(tmp_path: Path) -> None:
    model = make_folder(tmp_path / "models" / "tiny", "llama")
    planned = make_recipe(processes=2, machines=2, main_address="127.0.0.1")
    folder = make_run(tmp_path / "shared", planned)
    stop = threading.Event()
    threading.Timer(8, stop.set).start()
    end = launch(Order(folder, model, 1), planned, RunFolder(folder, lambda line: None), stop)
    assert end["kind"] == "stopped"
    assert not ranks(folder)
