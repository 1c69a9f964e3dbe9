"""Setting up from nothing: a small copy of the project that really makes its environment, from wheels made here."""

import ast
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modules import bootstrap
from modules.bootstrap import explained
from modules.paths import PROJECT
from modules.pins import SetUpError, pins, unmet, versions_in

# What stands for the command line: says where it runs, and what it sees of the packages.
STUB_CLI = """
import sys
from importlib.metadata import version

def run(arguments):
    print("ran in", sys.prefix, "with", version("parlor-probe"), arguments)
    return 7
"""
# What stands for pytest: says how it was called.
STUB_PYTEST = """
import os, sys
print("tests in", os.getcwd(), sys.argv[1:])
sys.exit(5)
"""
REQUIREMENTS = 'torch==2.0\nparlor-probe==1.0  # a comment\nnot-for-here==9 ; sys_platform == "nowhere"\n'
NEWER = REQUIREMENTS.replace("probe==1.0", "probe==2.0")
SECONDS = 100


@dataclass(frozen=True)
class SmallProject:
    """A copy of the project's entry and set-up code, with requirements of its own."""

    folder: Path
    wheels: Path

    @property
    def environment(self) -> Path:
        return self.folder / ".venv"

    @property
    def packages(self) -> Path:
        return next(self.environment.glob("lib/python*/site-packages"))

    def require(self, text: str) -> None:
        (self.folder / "requirements.txt").write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PARLOR_", "CI"))}
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [base_python(), "webui.py", *arguments],
            cwd=self.folder,
            env={**clean, **offline, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """(exit status, standard output, standard error) of one start."""
        process = self.start(*arguments, **variables)
        output, errors = process.communicate(timeout=SECONDS)
        return process.returncode, output, errors

    def ran(self, version: str = "1.0") -> str:
        """The line that the command line prints when it runs in the environment."""
        return f"ran in {self.environment} with {version} ['--flag']"


def base_python() -> str:
    """The Python that this one's environment was made from: the tests' own has every requirement already."""
    return str(sys._base_executable)


def make_wheel(folder: Path, name: str, version: str, code: str = "") -> None:
    module = name.replace("-", "_")
    described = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": code,
        f"{described}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{described}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{described}/RECORD": f"{record}{described}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def copy_project(folder: Path, wheels: Path) -> SmallProject:
    (folder / "modules").mkdir(parents=True)
    (folder / "tests").mkdir()
    shutil.copy(PROJECT / "webui.py", folder)
    for name in ("bootstrap.py", "pins.py"):
        shutil.copy(PROJECT / "modules" / name, folder / "modules")
    (folder / "modules" / "cli.py").write_text(STUB_CLI, encoding="utf-8")
    (folder / "tests" / "requirements.txt").write_text("pytest==0.1\n", encoding="utf-8")
    project = SmallProject(folder.resolve(), wheels)
    project.require(REQUIREMENTS)
    return project


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "torch", "2.0+cpu")
    make_wheel(folder, "parlor-probe", "1.0")
    make_wheel(folder, "parlor-probe", "2.0")
    make_wheel(folder, "pytest", "0.1", STUB_PYTEST)
    return folder


@pytest.fixture(scope="module")
def first_starts(
    tmp_path_factory: pytest.TempPathFactory, wheels: Path
) -> tuple[SmallProject, list[tuple[int, str, str]]]:
    """A project after its first start, which two processes made at once, and what each of them said."""
    project = copy_project(tmp_path_factory.mktemp("first") / "a project", wheels)
    both = [project.start("--flag"), project.start("--flag")]
    said = [process.communicate(timeout=SECONDS) for process in both]
    return project, [(process.returncode, *words) for process, words in zip(both, said, strict=True)]


@pytest.fixture
def project(first_starts: tuple[SmallProject, object]) -> Iterator[SmallProject]:
    """That project. Each test leaves an environment in it that a start can use or repair."""
    small = first_starts[0]
    yield small
    small.require(REQUIREMENTS)


def test_two_first_starts_make_one_environment(
    first_starts: tuple[SmallProject, list[tuple[int, str, str]]],
) -> None:
    project, starts = first_starts
    assert [(status, project.ran() in output) for status, output, _ in starts] == [(7, True)] * 2, starts
    together = "".join(output for _, output, _ in starts)
    assert together.count("Making .venv") == together.count("Preparing the packages") == 1
    assert together.count("Another Parlor is setting up") == 1
    assert together.count("several GB") == (sys.platform == "linux")
    assert list(project.packages.glob("__pycache__/parlor_probe.*.pyc"))


@pytest.mark.alone
def test_a_later_start_installs_nothing(project: SmallProject) -> None:
    project.run("--flag")
    started = time.monotonic()
    assert project.run("--flag") == (7, project.ran() + "\n", "")
    assert time.monotonic() - started < 2


def remove_package(project: SmallProject) -> None:
    shutil.rmtree(project.packages / "parlor_probe-1.0.dist-info")
    (project.packages / "parlor_probe.py").unlink()


def change_version(project: SmallProject) -> None:
    python = project.environment / "bin" / "python"
    wheel = project.wheels / "parlor_probe-2.0-py3-none-any.whl"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", wheel], check=True)


def damage_stamp(project: SmallProject) -> None:
    (project.environment / "parlor-program.stamp").write_bytes(b"\xff\x00")


def remove_stamp(project: SmallProject) -> None:
    """As with an environment that a person made, which is kept."""
    (project.environment / "parlor-program.stamp").unlink()


@pytest.mark.parametrize("damage", [remove_package, change_version, damage_stamp, remove_stamp])
def test_what_is_damaged_is_installed_again(project: SmallProject, damage: Callable[[SmallProject], None]) -> None:
    project.run("--flag")
    own = project.environment / "a-file-that-must-stay"
    own.touch()
    damage(project)
    status, output, errors = project.run("--flag")
    assert (status, project.ran() in output) == (7, True), output + errors
    assert "Preparing the packages" in output
    assert own.exists()
    assert "Preparing" not in project.run("--flag")[1]


def test_new_requirements_update_the_environment(project: SmallProject) -> None:
    project.require(NEWER)
    status, output, errors = project.run("--flag")
    assert (status, project.ran("2.0") in output, "Making .venv" in output) == (7, True, False), output + errors


def test_a_killed_set_up_is_made_anew(project: SmallProject) -> None:
    project.run("--flag")
    project.require(NEWER)
    process = project.start("--flag")
    deadline = time.monotonic() + SECONDS
    while not (project.environment / "parlor-unfinished").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    half_made = project.environment / "a-half-made-file"
    half_made.touch()
    status, output, errors = project.run("--flag")
    assert (status, project.ran("2.0") in output, "Making .venv" in output) == (7, True, True), output + errors
    assert not half_made.exists()
    assert not (project.environment / "parlor-unfinished").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(project: SmallProject) -> None:
    for python in (project.environment / "bin").glob("python*"):
        python.unlink()
    (project.environment / "bin" / "python").write_text("not a program")
    status, output, errors = project.run("--flag")
    assert (status, project.ran() in output, "Making .venv" in output) == (7, True, True), output + errors


def test_without_a_network_it_says_so_and_keeps_what_works(project: SmallProject) -> None:
    project.run("--flag")
    project.require(NEWER)
    with closed_port() as port:
        index = f"http://127.0.0.1:{port}/simple"
        status, output, errors = project.run(PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=index, PIP_RETRIES="1")
    assert (status, "ran in" in output) == (1, False)
    assert "Is there a network connection?" in errors
    assert "Traceback" not in errors
    project.require(REQUIREMENTS)
    assert project.run("--flag") == (7, project.ran() + "\n", "")


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "The disk is full.",
        ),
        ("ERROR: No matching distribution found for torch==2.13.0", "The package index has none for Python 3."),
        ("ERROR: something else", "The lines above say why."),
    ],
)
def test_the_likely_cause_is_told(output: str, cause: str) -> None:
    assert f"It failed. {cause}" in explained(output, "It failed.")


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that is taken, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_a_pin_that_installing_does_not_meet_is_named(project: SmallProject) -> None:
    project.require(REQUIREMENTS.replace("probe==1.0", "probe==1.0.0"))
    status, output, errors = project.run("--flag")
    assert (status, "ran in" in output) == (1, False)
    assert "not as pinned: parlor-probe." in errors


def test_a_program_that_is_inside_and_lacks_packages_does_not_start_itself_again(project: SmallProject) -> None:
    project.run("--flag")
    status, output, errors = project.run("--flag", PARLOR_INSIDE_ENVIRONMENT=str(project.environment))
    assert (status, output) == (1, "")
    assert "torch, parlor-probe" in errors


def test_the_test_command_installs_its_tools_and_passes_on(project: SmallProject) -> None:
    browser = str(project.environment / "bin" / "python")
    status, output, errors = project.run("test", "-k", "some thing", PARLOR_TEST_BROWSER=browser)
    expected = ["-c", "tests/pytest.ini", "--rootdir", str(project.folder), "-k", "some thing"]
    assert (status, f"tests in {project.folder} {expected}" in output) == (5, True), output + errors
    assert "Chromium" not in output
    assert "'-n'" not in output
    again = project.run("test", PARLOR_TEST_BROWSER=browser)[1]
    assert ("Preparing" in again, "'-n', '2', '--dist', 'loadfile'" in again) == (False, True)


@pytest.mark.parametrize(("variables", "status"), [({}, 5), ({"CI": "true"}, 1)], ids=["by hand", "in CI"])
def test_a_missing_browser_is_told(project: SmallProject, variables: dict[str, str], status: int) -> None:
    ended, output, _ = project.run("test", **variables, PARLOR_TEST_BROWSER="no-such-browser")
    assert ended == status
    assert "apt-get install chromium" in output
    assert ("'-m', 'not browser'" in output, "were left out" in output) == (status == 5, status == 5)


def test_a_python_without_venv_is_told_which_package_to_install(tmp_path: Path, wheels: Path) -> None:
    project = copy_project(tmp_path / "project", wheels)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    status, _, errors = project.run(PYTHONPATH=str(tmp_path))
    assert status == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in errors
    assert not project.environment.exists()


def test_an_older_python_gets_a_sentence(tmp_path: Path) -> None:
    code = "import runpy, sys; sys.version_info = (3, 9, 1); runpy.run_path('webui.py', run_name='__main__')"
    old = subprocess.run([base_python(), "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (old.returncode, old.stderr) == (1, "Parlor needs Python 3.11 or newer; this is Python 3.9.\n")


@pytest.mark.parametrize("file", ["webui.py", "modules/bootstrap.py", "modules/pins.py"])
def test_an_older_python_can_read_the_file(file: str) -> None:
    ast.parse((PROJECT / file).read_text(encoding="utf-8"), feature_version=(3, 9))
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("name==1.0", [("name", "1.0")]),
        ("name[extra] == 1.0  # why", [("name", "1.0")]),
        ("# nothing", []),
        (f"name==1; sys_platform == '{sys.platform}'", [("name", "1")]),
        (f'name==1 ; sys_platform != "{sys.platform}"', []),
        (f'name==1; sys_platform == "{sys.platform}" and platform_machine == "none"', []),
    ],
)
def test_pins(tmp_path: Path, line: str, expected: list[tuple[str, str]]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(line)
    assert list(pins(file)) == expected


@pytest.mark.parametrize("line", ["name>=1.0", "-r other.txt", 'name==1; python_version < "3.12"', "name"])
def test_a_line_that_is_not_understood_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(line)
    with pytest.raises(SetUpError, match=r"requirements\.txt"):
        list(pins(file))


@pytest.mark.parametrize(
    ("folder_name", "met"),
    [("Some_Name-1.0", True), ("some.name-1.0+cpu", True), ("some_name-1.0.1", False), ("some_name2-1.0", False)],
)
def test_what_counts_as_installed(tmp_path: Path, folder_name: str, met: bool) -> None:
    (tmp_path / f"{folder_name}.dist-info").mkdir()
    file = tmp_path / "requirements.txt"
    file.write_text("some-name==1.0")
    assert (unmet(file, versions_in([tmp_path])) == []) is met


@pytest.mark.alone
def test_the_projects_own_requirements_are_met_and_checked_fast() -> None:
    seconds: list[float] = []
    for _ in range(9):
        started = time.perf_counter()
        missing = [unmet(file, versions_in(sys.path)) for file in (bootstrap.REQUIREMENTS, bootstrap.TEST_REQUIREMENTS)]
        seconds.append(time.perf_counter() - started)
        assert missing == [[], []]
    assert statistics.median(seconds) < 0.1


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_installs_nothing(tmp_path: Path, wheels: Path, flag: str) -> None:
    project = copy_project(tmp_path / "project", wheels)
    status, output, _ = project.run(flag)
    assert status == 0
    assert "usage: python3 webui.py" in output
    assert not project.environment.exists()
