"""`webui.py extension` as a person in a terminal has it: what is shown, what is asked, and exit statuses."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modules.paths import PROJECT
from tests.program import RunningProgram, clean_environment
from tests.services.extension_worlds import Repository, files_of, write_folder

SPEAKS = """
from modules.extensions import Command, hook


@hook
def commands():
    return [Command("louder", "Louder.", lambda rest, context: rest.upper())]
"""


def extension(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error), where nobody can be asked."""
    done = subprocess.run(
        [sys.executable, str(PROJECT / "webui.py"), "extension", *arguments, "--data", "data", "--models", "models"],
        cwd=folder, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def answered(folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """(exit status, all that was said) at a terminal where somebody answers."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "webui.py"), "extension", *arguments, "--data", "data", "--models", "models"],
        cwd=folder, env=clean_environment(), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    said, _ = process.communicate(timeout=110)
    os.close(ours)
    return process.returncode, said


def test_from_a_repository_to_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shout")
    first = repository.commit({**files_of(touches='network = ["example.com"]'), "main.py": SPEAKS})
    status, said, told = extension(tmp_path, "install", "shout")
    assert (status, "--yes says yes" in told) == (1, True)
    for part in ("Shout 1.0 (shout) by Ann, licence: MIT", first, "example.com", "main.py", "Beware: It runs inside"):
        assert part in said
    assert not (tmp_path / "data" / "extensions" / "shout").exists()

    # --yes shows the same.
    status, again, told = extension(tmp_path, "install", "shout", "--yes", "--enable")
    assert (status, again) == (0, f"{said}Installed: shout 1.0\nEnabled: shout\n"), told
    status, said, _ = extension(tmp_path, "list")
    assert (status, re.search(r"^shout +1\.0 +enabled ", said, re.MULTILINE) is not None) == (0, True), said
    assert extension(tmp_path, "run", "shout", "louder", "hello", "world")[:2] == (0, "HELLO WORLD\n")
    status, _, told = extension(tmp_path, "run", "shout", "whisper")
    assert (status, "no command 'whisper'; it has: louder" in told) == (1, True)

    assert extension(tmp_path, "update", "shout", "--yes")[:2] == (0, "Up to date: shout 1.0\n")
    repository.commit({**files_of(version="2.0"), "main.py": SPEAKS})
    status, said, _ = extension(tmp_path, "update", "shout", "--yes")
    assert (status, "changed  extension.toml" in said, "No longer among its hosts: example.com." in said) == (
        0,
        True,
        True,
    )
    assert said.endswith("Installed: shout 2.0\n")
    assert extension(tmp_path, "rollback", "shout")[:2] == (0, "Rolled back: shout 1.0\n")
    assert extension(tmp_path, "disable", "shout")[:2] == (0, "Disabled: shout\n")
    status, _, told = extension(tmp_path, "run", "shout", "louder", "hello")
    assert (status, "shout is not enabled. Enable it with" in told) == (1, True)
    assert extension(tmp_path, "remove", "shout")[0] == 1
    assert extension(tmp_path, "remove", "shout", "--yes")[:2] == (0, "Removed: shout\n")
    assert list((tmp_path / "data" / "extensions").iterdir()) == []
    assert extension(tmp_path, "rollback", "shout")[0] == 1


def test_somebody_is_asked(tmp_path: Path) -> None:
    write_folder(tmp_path / "source", files_of())
    status, said = answered(tmp_path, "n", "install", "source")
    assert (status, "Install shout 1.0? [y/N]" in said) == (1, True), said
    assert not (tmp_path / "data" / "extensions").exists() or not any((tmp_path / "data" / "extensions").iterdir())
    status, said = answered(tmp_path, "y", "install", "source")
    assert (status, "Installed: shout 1.0" in said) == (0, True), said


@pytest.mark.parametrize(
    "files",
    [files_of(author='"A\\u001b[2Jnn"'), {**files_of(), "notes\x1b[2J.txt": "x"}],
    ids=["manifest", "file name"],
)
def test_a_strangers_text_cannot_steer_the_terminal(tmp_path: Path, files: dict[str, str]) -> None:
    write_folder(tmp_path / "source", files)
    status, said = answered(tmp_path, "y", "install", "source")
    assert (status, "characters that cannot be seen" in said, "\x1b" in said) == (2, True, False), said


def test_a_new_one_can_be_installed(tmp_path: Path) -> None:
    status, said, _ = extension(tmp_path, "new", "word-counter", "--to", "mine")
    assert (status, said) == (0, f"Made: {tmp_path}/mine/word-counter\n")
    assert extension(tmp_path, "new", "word-counter", "--to", "mine")[0] == 1
    assert extension(tmp_path, "new", "Word Counter")[0] == 2
    status, said, told = extension(tmp_path, "install", "mine/word-counter", "--yes", "--enable")
    assert (status, said.endswith("Enabled: word-counter\n")) == (0, True), told


def test_a_new_one_among_ones_own_can_be_enabled_at_once(tmp_path: Path) -> None:
    status, said, told = extension(tmp_path, "new", "word-counter")
    assert (status, said) == (0, f"Made: {tmp_path}/data/extensions/word-counter\n")
    assert told.endswith("Try it with: python3 webui.py extension enable word-counter\n")
    status, said, told = extension(tmp_path, "enable", "word-counter")
    assert (status, said) == (0, "Enabled: word-counter\n"), told


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ((), 2, "usage"),
        (("polish",), 2, "invalid choice"),
        (("install",), 2, "SOURCE"),
        (("install", "http://example.com/x.git", "--yes"), 2, "no source of an extension"),
        (("install", "file:///no/such/place", "--yes"), 1, "does not answer"),
        (("update", "nobody", "--yes"), 1, "was installed from anywhere"),
        (("enable", "nobody"), 1, "no extension called 'nobody'"),
    ],
)
def test_wrong_uses(tmp_path: Path, arguments: tuple[str, ...], status: int, part: str) -> None:
    if arguments:
        done = extension(tmp_path, *arguments)
    else:
        one = subprocess.run(
            [sys.executable, str(PROJECT / "webui.py"), "extension"], capture_output=True, text=True, check=False
        )
        done = one.returncode, one.stdout, one.stderr
    assert (done[0], part in done[2]) == (status, True), done


def test_a_program_that_runs_keeps_its_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "source", files_of())
    with RunningProgram(tmp_path, "--no-ui") as program:
        status, _, told = extension(tmp_path, "install", "source", "--yes")
        assert (status, f"at {program.url}" in told, "on its page" in told) == (2, True, True)
        # Looking is free.
        assert extension(tmp_path, "list")[0] == 0
