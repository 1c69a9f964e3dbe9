"""What extensions require: into their own folder, exactly what was shown, the program's environment as it was."""

import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from modules.errors import InstallError
from modules.paths import PROJECT
from modules.services.extension_wheels import program_packages
from tests.services.extension_worlds import files_of, world, write_folder, write_wheel


class Index(http.server.ThreadingHTTPServer):
    """`asked` is set, and the answer waits for `go_on`, when a wheel is fetched for more than the `free`th time."""

    free = 1000
    fetched = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        self.folder = folder
        self.asked, self.go_on = threading.Event(), threading.Event()


class Quiet(http.server.SimpleHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            self.server.fetched += 1
            if self.server.fetched > self.server.free:
                self.server.asked.set()
                self.server.go_on.wait(60)
        with suppress(OSError):
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index on loopback, as the standard says: /simple/NAME/ lists files."""
    folder = tmp_path / "index"
    wheels = {
        "nice-words": write_wheel(folder / "files", "nice-words", "1.2", {"nice_words.py": "WORD = 'nice'\n"}, "deep-words>=1"),
        "deep-words": write_wheel(folder / "files", "deep-words", "3.0", {"deep_words.py": "WORD = 'deep'\n"}),
        "old-pydantic": write_wheel(folder / "files", "old-pydantic", "1.0", {"old.py": ""}, "pydantic<2"),
        "needs-pydantic": write_wheel(folder / "files", "needs-pydantic", "1.0", {"needs.py": ""}, "pydantic>=2"),
    }  # fmt: skip
    for name, wheel in wheels.items():
        page = folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<!DOCTYPE html><a href="../../files/{wheel.name}">{wheel.name}</a>')
    server = Index(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


def frozen() -> str:
    return subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "freeze"], capture_output=True, text=True, check=True
    ).stdout


def requiring(folder: Path, *requirements: str) -> Path:
    listed = ", ".join(f'"{one}"' for one in requirements)
    return write_folder(
        folder, {**files_of(requirements=f"[{listed}]"), "main.py": "import nice_words\nassert nice_words.WORD\n"}
    )


def test_requirements_of_its_own(tmp_path: Path, index: Index) -> None:
    before = frozen()
    source = requiring(tmp_path / "source", "nice-words >= 1, < 2")
    with world(tmp_path) as place:
        plan = place.installer.plan(str(source))
        assert [(one.name, one.version, one.file) for one in plan.packages] == [
            ("nice-words", "1.2", "nice_words-1.2-py3-none-any.whl"),
            ("deep-words", "3.0", "deep_words-3.0-py3-none-any.whl"),
        ]
        assert not (place.own / ".staging" / "scratch").exists()
        job = place.done(place.installer.install(plan.id))
        assert job.state == "done", job.error
        packages = place.own / "shout" / ".packages"
        assert (packages / "nice_words.py").is_file()
        assert (packages / "deep_words.py").is_file()
        assert place.registry.enable("shout").state == "enabled"
        place.registry.disable("shout")
        place.installer.remove("shout")
        assert place.left() == ["extensions"]
    assert frozen() == before


def test_what_the_program_has_is_neither_changed_nor_fetched(tmp_path: Path, index: Index) -> None:
    with world(tmp_path) as place:
        plan = place.installer.plan(str(requiring(tmp_path / "source", "needs-pydantic", "httpcore")))
        assert [one.name for one in plan.packages] == ["needs-pydantic"]
        for number, requirement in enumerate(("old-pydantic", "pydantic<2")):
            with pytest.raises(InstallError, match=r"cannot be had: .*pydantic"):
                place.installer.plan(str(requiring(tmp_path / str(number), requirement)))


def test_what_the_index_does_not_have(tmp_path: Path, index: Index) -> None:
    with world(tmp_path) as place:
        with pytest.raises(InstallError, match=r"cannot be had: .*no-such-words"):
            place.installer.plan(str(requiring(tmp_path / "source", "no-such-words")))
        assert place.left() == ["extensions"]


def test_a_wheel_that_is_another_one_now(tmp_path: Path, index: Index) -> None:
    """Between the plan and the yes the index gives another file under the same name."""
    with world(tmp_path) as place:
        plan = place.installer.plan(str(requiring(tmp_path / "source", "deep-words")))
        write_wheel(index.folder / "files", "deep-words", "3.0", {"deep_words.py": "WORD = 'evil'\n"})
        job = place.done(place.installer.install(plan.id))
        assert job.state == "failed"
        assert "packages could not be installed" in job.error
        assert place.left() == ["extensions"]
        assert place.registry.all() == []


def children_below(folder: Path) -> list[psutil.Process]:
    """Processes at work in this folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def wait_for_none(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while children_below(folder):
        assert time.monotonic() < deadline, children_below(folder)
        time.sleep(0.05)


def test_cancelled_while_packages_come(tmp_path: Path, index: Index) -> None:
    index.free = 1
    with world(tmp_path) as place:
        plan = place.installer.plan(str(requiring(tmp_path / "source", "deep-words")))
        job = place.installer.install(plan.id)
        assert index.asked.wait(60)
        assert children_below(place.own)
        place.jobs.cancel(job.id)
        assert place.done(job).state == "cancelled"
        wait_for_none(place.own)
        assert place.left() == ["extensions"]
        assert place.installer.records() == {}


def test_killed_while_packages_come(tmp_path: Path, index: Index) -> None:
    """The program is gone at once; pip goes with it, and the next start finds nothing but what was there before."""
    index.free = 1
    requiring(tmp_path / "source", "deep-words")
    arguments = ("install", "source", "--yes", "--data", "data", "--models", "models")
    command = [sys.executable, str(PROJECT / "webui.py"), "extension", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert index.asked.wait(100)
        assert children_below(tmp_path / "data")
        process.kill()
    wait_for_none(tmp_path / "data")
    assert (tmp_path / "data" / "extensions" / ".staging").is_dir()
    with world(tmp_path) as place:
        assert [path for path in place.left() if path != "lock"] == ["extensions"]
        assert (place.registry.all(), place.installer.records()) == ([], {})
        index.go_on.set()
        assert place.install(tmp_path / "source").name == "shout"


def test_the_program_knows_what_it_has() -> None:
    assert program_packages()["pydantic"].startswith("2.")
