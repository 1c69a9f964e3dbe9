"""`--dev`: what an author saves is what runs, as long as it can run."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.extensions.dev_reload import Reloader
from modules.extensions.skeleton import create_extension
from modules.extensions.testing import Trial, tried
from modules.paths import PROJECT


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with tried(create_extension("mine", tmp_path, PROJECT / "extensions")) as trial:
        trial.set({"ending": "Yours"})
        yield trial


def main_of(tmp_path: Path) -> Path:
    return tmp_path / "mine" / "main.py"


def ending(trial: Trial) -> str:
    return trial.filter("filter_reply", "Good morning.")


def test_a_saved_change_is_what_runs(trial: Trial, tmp_path: Path) -> None:
    told: list[str] = []
    reloader = Reloader(trial.extensions, told.append, look_seconds=0.05)
    reloader.start()
    main = main_of(tmp_path)
    main.write_text(main.read_text().replace("\\n\\n{ending}", " -- {ending}"))
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:
        time.sleep(0.02)
    reloader.close()
    assert told == ["mine was reloaded."]
    assert ending(trial) == "Good morning. -- Yours"
    assert trial.log[-1].endswith("reloaded, for its files have changed")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("def hello(", "def hello((", "SyntaxError"),
        ("class Settings", "1 / 0\n\n\nclass Settings", "ZeroDivisionError: division by zero (main.py, line"),
        ("def filter_reply(text: str", "def filter_reply(words: str", "words"),
        ("def commands()", "def comands()", "comands is no hook"),
    ],
    ids=["syntax", "import", "argument", "hook"],
)
def test_what_cannot_be_loaded_leaves_the_old_one_running(
    trial: Trial, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    told: list[str] = []
    reloader = Reloader(trial.extensions, told.append)
    reloader.look()
    main = main_of(tmp_path)
    whole = main.read_text()
    main.write_text(whole.replace(old, new))
    reloader.look()
    assert reason in told[0]
    assert told[0].startswith("mine was not reloaded:")
    assert told[0].endswith("The version from before goes on.")
    assert [fault.hook for fault in trial.faults] == ["reload"]
    assert ending(trial) == "Good morning.\n\nYours"
    main.write_text(whole.replace("\\n\\n{ending}", "!"))
    reloader.look()
    reloader.close()
    assert told[1:] == ["mine was reloaded."]
    assert (ending(trial), trial.faults) == ("Good morning.!", [])


def test_nothing_happens_without_a_change(trial: Trial, tmp_path: Path) -> None:
    told: list[str] = []
    reloader = Reloader(trial.extensions, told.append)
    reloader.look()
    (tmp_path / "mine" / ".packages").mkdir()
    (tmp_path / "mine" / ".packages" / "a.py").touch()
    reloader.look()
    trial.extensions.disable("mine")
    main_of(tmp_path).write_text("")
    reloader.look()
    reloader.close()
    assert told == []
