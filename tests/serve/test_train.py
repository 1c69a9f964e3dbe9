"""`webui.py train` as a person in a terminal has it: a run, Ctrl+C, the way back to it, and what is refused."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modules.paths import PROJECT
from modules.storage.recipe_files import read_whole_recipe
from modules.train_command.command import train
from tests.engines.tiny_models import make_folder, words
from tests.program import RunningProgram, clean_environment

USUAL = (
    "--model", "tiny", "--data", "words.jsonl", "--name", "mine", "--objective", "text", "--rank", "4",
    "--learning-rate", "0.02", "--evaluate-every", "4", "--checkpoint-every", "4", "--probes", words([5, 9]),
    "--probe-tokens", "4",
)  # fmt: skip
PLACES = ("--threads", "1", "--data-folder", "data", "--models", "models")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "models" / "tiny", "llama")
    lines = [json.dumps({"text": words([5, 9, 17, 33, 65, 2 + number % 7])}) + "\n" for number in range(40)]
    (tmp_path / "words.jsonl").write_text("".join(lines))
    return tmp_path


class Command:
    """`webui.py train` at work in a folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROJECT / "webui.py"), "train", *arguments, *PLACES],
            cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self, seconds: float = 110) -> tuple[int, str, str]:
        """(exit status, standard output, standard error)."""
        said, told = self._process.communicate(timeout=seconds)
        return self._process.returncode, said, told

    def interrupt(self, by: signal.Signals = signal.SIGINT) -> None:
        self._process.send_signal(by)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_from_samples_to_an_adapter(folder: Path) -> None:
    status, said, told = Command(folder, *USUAL, "--steps", "8").end()
    assert (status, said) == (0, "Trained: models/adapters/mine\n"), told
    for part in ("40 samples", "8 steps;", "step 8 of 8", "step 0: held-out loss", f"step 8: {words([5, 9])} ->"):
        assert part in told
    # Nothing of a terminal where there is none.
    assert "\r" not in told
    losses = [float(one) for one in re.findall(r"held-out loss ([\d.]+)", told)]
    assert losses[-1] < losses[0]
    assert (folder / "models" / "adapters" / "mine" / "adapter_model.safetensors").is_file()

    # The recipe beside it makes the same again.
    recipe = folder / "models" / "adapters" / "mine" / "parlor-recipe.yaml"
    status, _, told = Command(folder, str(recipe), "--name", "again").end()
    assert status == 0, told
    names = ("mine", "again")
    weights = [(folder / "models" / "adapters" / name / "adapter_model.safetensors").read_bytes() for name in names]
    assert weights[0] == weights[1]
    assert Command(folder, str(recipe)).end()[0] == 1


def test_an_interruption_saves_and_resume_goes_on(folder: Path) -> None:
    """By either signal: the one first, the other for what was resumed."""
    metrics = folder / "data" / "training" / "mine" / "metrics.jsonl"
    command = Command(folder, *USUAL, "--steps", "600")
    wait_until(lambda: metrics.is_file() and metrics.read_text().count('"step"') > 8)
    command.interrupt(signal.SIGTERM)
    status, said, told = command.end()
    assert (status, said) == (130, "")
    assert (folder / "models" / "adapters" / "mine" / "adapter_model.safetensors").is_file()
    assert "Stopping after this step" in told
    assert "train --resume mine --models=models --data-folder=data --threads=1" in told
    before = metrics.read_text()
    command = Command(folder, "--resume", "mine")
    wait_until(lambda: metrics.read_text().count("\n") > before.count("\n") + 3)
    assert metrics.read_text().startswith(before)
    command.interrupt(signal.SIGINT)
    command.interrupt(signal.SIGINT)
    assert command.end()[0] == 130


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), (2, "says no model")),
        ((*USUAL, "--rank", "many"), (2, "rank must be a whole number")),
        ((*USUAL, "--data", "nowhere.jsonl"), (1, "nowhere.jsonl")),
        ((*USUAL, "--model", "nobody"), (1, "no model called 'nobody'")),
        (("nothing.yaml",), (2, "There is no file nothing.yaml")),
        (("--resume", "nobody"), (1, "no run called 'nobody'")),
    ],
)
def test_what_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    expected: tuple[int, str],
) -> None:
    monkeypatch.chdir(folder)
    status, part = expected
    assert train([*arguments, *PLACES]) == status
    said, told = capsys.readouterr()
    assert said == ""
    assert part in told


def test_a_dry_run_writes_the_recipe(folder: Path) -> None:
    status, said, told = Command(folder, *USUAL, "--steps", "8", "--dry-run").end()
    assert status == 0, told
    recipe = read_whole_recipe(said)
    assert (recipe.name, recipe.steps, recipe.method) == ("mine", 8, "lora")
    assert "\n# " in said
    assert "8 steps;" in told
    assert not list((folder / "data" / "training").glob("*"))


def test_a_program_that_runs_keeps_its_folder(folder: Path) -> None:
    with RunningProgram(folder, "--no-ui") as program:
        status, _, told = Command(folder, *USUAL).end()
        assert status == 2
        assert f"at {program.url}" in told
        assert "Start this run on its page" in told
