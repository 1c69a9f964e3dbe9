"""The training process itself, as its parent starts it, and killed when it is least ready for it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.paths import PROJECT
from modules.training.distributed import Group
from modules.training.orders import Order
from modules.training.running import train
from modules.training.telling import RunFolder
from tests.engines.tiny_models import make_folder
from tests.training.runs import make_recipe, make_run
from tests.training.test_running import assert_same_run

WORKER = "modules.training.worker"
# The program, killed by itself when it brings the sixth file to the disk: in the middle of the second checkpoint.
SUICIDAL = """
import os, signal
from modules.training import checkpoints
whole, count = checkpoints.sync, iter(range(100))
def sync(path):
    if next(count) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(path)
checkpoints.sync = sync
from modules.training.worker import main
main()
"""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model") / "tiny", "llama", initializer_range=0.1)


class Worker:
    def __init__(self, folder: Path, model: Path, program: tuple[str, ...] = ("-m", WORKER)) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *program, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        self.send({"folder": str(folder), "model": str(model), "threads": 1})

    def send(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def wait_for_step(self, step: int) -> None:
        next(line for line in self.lines() if line["kind"] == "step" and line["step"] == step)


@pytest.mark.skipif(sys.platform != "linux", reason="kill -9")
def test_killed_in_a_step_and_in_a_checkpoint_it_comes_to_the_same_numbers(tmp_path: Path, llama: Path) -> None:
    recipe = make_recipe(steps=10, dropout=0.1, keep_checkpoints=1)
    whole = make_run(tmp_path / "whole", recipe)
    train(Order(whole, llama, 1), Group(), RunFolder(whole, lambda line: None), lambda: False)
    killed = make_run(tmp_path / "killed", recipe)
    worker = Worker(killed, llama)
    worker.wait_for_step(3)
    worker.process.kill()
    worker.process.wait()
    worker = Worker(killed, llama, ("-c", SUICIDAL))
    *_, last = worker.lines()
    assert worker.process.wait() == -signal.SIGKILL
    assert last["note"] == "saving a checkpoint"
    assert any(path.name.endswith(".unfinished") for path in (killed / "checkpoints").iterdir())
    # A line that was cut off in the middle.
    with (killed / "metrics.jsonl").open("a") as file:
        file.write('{"kind":"step","st')
    worker = Worker(killed, llama)
    *_, last = worker.lines()
    assert worker.process.wait() == 0
    assert last == {"kind": "done", "step": 10}
    assert_same_run(killed, whole)


def test_it_stops_behind_the_step_and_leaves_with_its_parent(tmp_path: Path, llama: Path) -> None:
    folder = make_run(tmp_path / "run", make_recipe(steps=100_000, evaluate_every=None, checkpoint_every=100_000))
    worker = Worker(folder, llama)
    worker.wait_for_step(2)
    worker.send({"order": "stop"})
    *_, last = worker.lines()
    assert worker.process.wait() == 0
    assert last["kind"] == "stopped"
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [f"step-{last['step']:08d}"]
    worker = Worker(folder, llama)
    worker.wait_for_step(last["step"] + 1)
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.process.wait(20) == 1
