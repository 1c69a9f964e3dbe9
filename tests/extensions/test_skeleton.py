"""A new extension: its name, its files, and its own test."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modules.errors import BadRequest, Conflict, StorageError
from modules.extensions.contracts import Text, ViewEvent
from modules.extensions.manifest import read_manifest
from modules.extensions.skeleton import create_extension
from modules.extensions.testing import tried
from modules.paths import PROJECT

BUNDLED = PROJECT / "extensions"


def test_a_new_extension_passes_its_own_test(tmp_path: Path) -> None:
    folder = create_extension("word-counter", tmp_path / "new" / "place", BUNDLED)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "README.md",
        "extension.toml",
        "main.py",
        "tests/test_word_counter.py",
    ]
    manifest = read_manifest(folder)
    assert (manifest.name, manifest.title) == ("word-counter", "Word counter")
    assert not any("skeleton" in path.read_text().lower() for path in folder.rglob("*.*"))
    assert "2 passed" in pytest_says(folder)


def test_the_guide_leads_to_an_extension_that_works(tmp_path: Path) -> None:
    guide = (PROJECT / "extensions" / "README.md").read_text(encoding="utf-8")
    code, test, view, ending_test = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    counter, greeter, ender = (
        create_extension(name, tmp_path, BUNDLED) for name in ("word-counter", "greeter", "ender")
    )
    (counter / "main.py").write_text(code)
    (counter / "tests" / "test_word_counter.py").write_text(test)
    assert "1 passed" in pytest_says(counter)
    (ender / "tests" / "test_ender.py").write_text(ending_test)
    assert "1 passed" in pytest_says(ender)
    (greeter / "main.py").write_text(view)
    with tried(greeter) as extension:
        [panel] = extension.given("panels")
        assert Text("Hello, **Ada**!") in panel.view(ViewEvent("greet", {"name": "Ada"}))


def test_a_copy_of_the_example_passes_its_tests_under_another_name(tmp_path: Path) -> None:
    copy = shutil.copytree(BUNDLED / "example", tmp_path / "my-own")
    manifest = copy / "extension.toml"
    manifest.write_text(manifest.read_text().replace('name = "example"', 'name = "my-own"'))
    assert "8 passed" in pytest_says(copy)


def pytest_says(folder: Path) -> str:
    """What pytest says of an extension whose tests pass."""
    pytest_itself = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", str(PROJECT), "-q"]
    done = subprocess.run([*pytest_itself, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["", "Loud", "1st", "a_b", "a b", "../up", "a" * 49, "ä"])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="small letters, digits and dashes"):
        create_extension(name, tmp_path, BUNDLED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "error"), [("parlor", BadRequest), ("plan", BadRequest), ("documents", Conflict)])
def test_a_name_that_is_the_programs_own_is_refused(name: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error, match=f"called {name}"):
        create_extension(name, tmp_path, BUNDLED)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    kept = create_extension("mine", tmp_path, BUNDLED) / "main.py"
    kept.write_text("# mine\n")
    with pytest.raises(Conflict, match="is there already"):
        create_extension("mine", tmp_path, BUNDLED)
    assert kept.read_text() == "# mine\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="mine could not be made"):
        create_extension("mine", tmp_path / "file", BUNDLED)
