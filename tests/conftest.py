"""What many tests need: the starter model, fetched once, and a program that really runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from modules.children import Launcher
from modules.library.starter import STARTER, fetch_starter
from modules.paths import PROJECT
from tests.browser import chromium
from tests.processes import folder_of_run, held, is_one_of_several
from tests.program import RunningProgram

SHARED_MODELS = PROJECT / "models"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What measures time or memory is marked `alone`: no other process of the run tests meanwhile."""
    if not is_one_of_several():
        return (yield)
    lock = folder_of_run(Path(item.config.getoption("basetemp"))) / "alone.lock"
    # Outside of what pytest-timeout counts: to wait for others is no fault of the test.
    with held(lock, shared=item.get_closest_marker("alone") is None):
        return (yield)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the whole run, whose tests may be spread over several processes."""
    return folder_of_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def starter_file(run_folder: Path) -> Path:
    """The real starter model, fetched as a person would when it is not there yet."""
    path = SHARED_MODELS / STARTER.file_name
    with held(run_folder / "starter.lock"):
        if not path.is_file():
            fetch_starter(SHARED_MODELS, lambda _progress, _note: None, lambda: False)
    return path


@pytest.fixture(scope="session")
def starter_folder(run_folder: Path, starter_file: Path) -> Path:
    """The starter model in Hugging Face format, converted as a person would, once a run: the model `starter-hf`."""
    models = run_folder / "converted"
    with held(run_folder / "converted.lock"):
        if not (models / "starter-hf").is_dir():
            models.mkdir()
            link_or_copy(starter_file, models / STARTER.file_name)
            webui = [sys.executable, str(PROJECT / "webui.py")]
            command = [*webui, "convert", "starter", "starter-hf", "--models", str(models)]
            subprocess.run(command, check=True, capture_output=True, cwd=models)
    return models / "starter-hf"


@pytest.fixture
def models_folder(tmp_path: Path, starter_file: Path) -> Path:
    """A models folder of the test's own that holds the starter model."""
    folder = tmp_path / "models"
    folder.mkdir()
    link_or_copy(starter_file, folder / STARTER.file_name)
    return folder


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def starter_program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    """The API alone with the starter model, shared by a module's tests."""
    with starter_running(tmp_path_factory.mktemp("starter-program"), starter_file, "--no-ui") as program:
        yield program


@pytest.fixture(scope="module")
def echo_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    """The API alone with the echo engine, shared by a module's tests."""
    arguments = ("--no-ui", "--model", "echo", "--admin-key", "test-admin")
    with RunningProgram(tmp_path_factory.mktemp("echo-program"), *arguments) as program:
        program.wait_until_loaded()
        yield program


@contextmanager
def starter_running(folder: Path, starter_file: Path, *arguments: str) -> Iterator[RunningProgram]:
    """A program with the starter model loaded, and nothing else in its folder."""
    (folder / "models").mkdir()
    link_or_copy(starter_file, folder / "models" / STARTER.file_name)
    with RunningProgram(folder, "--model", "starter", "--admin-key", "test-admin", *arguments) as program:
        program.wait_until_loaded()
        yield program


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
