"""What many tests need: the starter model, fetched once, and a program that really runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from modules.children import Launcher
from modules.library.starter import STARTER, fetch_starter
from modules.paths import PROJECT
from modules.storage.files import try_lock
from tests.browser import chromium
from tests.program import RunningProgram

SHARED_MODELS = PROJECT / "models"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the whole run, whose tests may be spread over several processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def starter_file(run_folder: Path) -> Path:
    """The real starter model, fetched as a person would when it is not there yet."""
    path = SHARED_MODELS / STARTER.file_name
    with alone(run_folder / "starter.lock"):
        if not path.is_file():
            fetch_starter(SHARED_MODELS, lambda _progress, _note: None, lambda: False)
    return path


@pytest.fixture(scope="session")
def starter_folder(run_folder: Path, starter_file: Path) -> Path:
    """The starter model in Hugging Face format, converted as a person would, once a run: the model `starter-hf`."""
    models = run_folder / "converted"
    with alone(run_folder / "converted.lock"):
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


@contextmanager
def alone(lock: Path) -> Generator[None]:
    """While no other process of the run is inside."""
    with lock.open("a") as file:
        while not try_lock(file.fileno()):
            time.sleep(0.05)
        yield


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
