"""Sets the program up on a machine that has nothing but Python; standard library only."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / ".venv"
LOCK = PROJECT / ".venv.lock"
REQUIREMENTS = PROJECT / "requirements.txt"
TEST_REQUIREMENTS = PROJECT / "tests" / "requirements.txt"
# Set for the program that is started again inside the environment, so that it can never start itself for ever.
INSIDE = "PARLOR_INSIDE_ENVIRONMENT"
OLDEST_PIP = (23, 3)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LAST_LINES = 15

PIN = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([^\s;#]+)\s*(?:;\s*sys_platform\s*(==|!=)\s*\"(\w+)\")?")
NO_SPACE = ("No space left on device", "ENOSPC", "Errno 28", "not enough space")
OFFLINE = (
    "Temporary failure in name resolution",
    "Failed to establish a new connection",
    "ConnectionError",
    "Max retries",
)


class SetUpError(Exception):
    """The environment cannot be made; the message is for a person."""


def ensure_environment(arguments: Sequence[str]) -> None:
    """Return at once where the requirements are met; otherwise go on in `.venv`, making it first if need be."""
    if not unmet(REQUIREMENTS, installed_versions()):
        return
    try:
        go_on_inside(arguments, [REQUIREMENTS])
    except SetUpError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)


def run_tests(arguments: Sequence[str]) -> int:
    """`webui.py test`: set up, then run the tests with what pytest is given; returns its exit status."""
    missing = [file for file in (REQUIREMENTS, TEST_REQUIREMENTS) if unmet(file, installed_versions())]
    if missing:
        try:
            go_on_inside([str(PROJECT / "webui.py"), "test", *arguments], [REQUIREMENTS, TEST_REQUIREMENTS])
        except SetUpError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
    if find_browser() is None:
        print("The browser tests need Chromium or Chrome; on Debian: apt-get install chromium", file=sys.stderr)
        if os.environ.get("CI") == "true":
            return 1
        arguments = [*arguments, "-m", "not browser"]
    command = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", ".", *arguments]
    return subprocess.call(command if has_paths(arguments) else [*command, "tests"], cwd=PROJECT)


def find_browser() -> "str | None":
    """An installed Chromium or Chrome; PARLOR_TEST_BROWSER names another."""
    named = os.environ.get("PARLOR_TEST_BROWSER")
    candidates = [named] if named else [*BROWSERS, "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    return next((found for name in candidates if (found := shutil.which(name))), None)


def go_on_inside(arguments: Sequence[str], files: Sequence[Path]) -> None:
    """Start this program again in the environment; does not return."""
    python = environment_python()
    if os.environ.get(INSIDE) == str(ENVIRONMENT):
        names = ", ".join(name for file in files for name in unmet(file, installed_versions()))
        raise SetUpError(f"The packages were installed, but these are not at the pinned version: {names}.")
    if any(not is_complete(file) for file in files):
        with locked():
            for file in files:
                if not is_complete(file):
                    install(file)
    os.environ[INSIDE] = str(ENVIRONMENT)
    command = [str(python), *arguments]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def is_complete(file: Path) -> bool:
    """Whether the environment was finished for just these requirements, and still holds them."""
    stamp = stamp_of(file)
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != fingerprint(file):
        return False
    return not unmet(file, versions_in([environment_packages()]))


def install(file: Path) -> None:
    """Make the environment when it is missing or half made, install into it, and stamp it last."""
    if not environment_python().is_file() or not stamp_of(REQUIREMENTS).is_file():
        make_environment()
    python = str(environment_python())
    if file == REQUIREMENTS:
        print("Parlor installs its packages into .venv, which happens once and takes some minutes.")
        print("On Linux the ordinary torch brings its CUDA parts, several GB; README.md says how to get the small one.")
    run_pip([python, "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", "-r", str(file)])
    # Importing the page takes twice as long from sources that were never compiled.
    print("Preparing the packages ...", flush=True)
    subprocess.call(
        [python, "-m", "compileall", "-q", "-j", "0", str(environment_packages())], stdout=subprocess.DEVNULL
    )
    temporary = stamp_of(file).with_suffix(".new")
    temporary.write_text(fingerprint(file), encoding="utf-8")
    temporary.replace(stamp_of(file))


def make_environment() -> None:
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    print("Making .venv ...", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        output = made.stdout + made.stderr
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        if "ensurepip" in output or "No module named venv" in output:
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
            raise SetUpError(
                f"Python's venv is missing. On Debian: apt install {package} (or python3-venv); then start again."
            )
        raise SetUpError(explained(output, "The environment .venv could not be made."))
    upgrade_old_pip()


def upgrade_old_pip() -> None:
    """Old bundled ones resolve slowly and do not know today's wheels."""
    version = versions_in([environment_packages()]).get("pip", "0")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_PIP:
        run_pip([str(environment_python()), "-m", "pip", "install", "--upgrade", "--quiet", "pip"])


def run_pip(command: Sequence[str]) -> None:
    """pip's own progress goes to the terminal; its last lines are kept to explain a failure."""
    process = subprocess.Popen(list(command), stdout=None, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    errors: list[str] = []
    for line in process.stderr:
        sys.stderr.write(line)
        errors = [*errors, line][-LAST_LINES:]
    if process.wait() != 0:
        raise SetUpError(explained("".join(errors), "The packages could not be installed."))


def explained(output: str, what: str) -> str:
    """One sentence on the likely cause, then the last lines of what was said."""
    if any(mark in output for mark in NO_SPACE):
        cause = "The disk is full. Free some space: the CPU build needs about 3 GB, the CUDA build about 9 GB."
    elif any(mark in output for mark in OFFLINE):
        cause = "Parlor could not reach the package index. Is there a network connection?"
    else:
        cause = "The lines above say why."
    return f"{what} {cause} Then start again: what is done already is kept."


@contextlib.contextmanager
def locked() -> Generator[None, None, None]:
    """Only one process sets up at a time; a second one waits and then finds everything done."""
    with LOCK.open("a") as file:
        if not try_lock(file.fileno()):
            print("Another Parlor is setting up; waiting for it ...", flush=True)
            wait_for_lock(file.fileno())
        yield


def installed_versions() -> "dict[str, str]":
    """Of the running interpreter, by normalised name."""
    return versions_in([Path(folder) for folder in sys.path if folder])


def versions_in(folders: Sequence[Path]) -> "dict[str, str]":
    """One look at each folder's names: asking importlib for each package would scan them again and again."""
    versions: dict[str, str] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names alone are needed, and fast
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, version = name[: -len(".dist-info")].rpartition("-")
                versions.setdefault(normalised(project), version)
    return versions


def unmet(file: Path, versions: "dict[str, str]") -> "list[str]":
    """The pins of a requirements file that are not installed at just that version (a local build suffix is fine)."""
    return [
        name
        for name, pinned in pins(file)
        if (found := versions.get(normalised(name))) is None or found.partition("+")[0] != pinned
    ]


def pins(file: Path) -> "Iterator[tuple[str, str]]":
    for line in file.read_text(encoding="utf-8").splitlines():
        match = PIN.match(line)
        if match is None:
            continue
        name, version, comparison, platform = match.groups()
        if comparison is None or (sys.platform == platform) == (comparison == "=="):
            yield name, version


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def fingerprint(file: Path) -> str:
    content = file.read_bytes() + sys.version.encode()
    return hashlib.sha256(content).hexdigest()


def stamp_of(file: Path) -> Path:
    return ENVIRONMENT / f"parlor-{file.parent.name if file != REQUIREMENTS else 'program'}.stamp"


def environment_python() -> Path:
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment_packages() -> Path:
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    paths = sysconfig.get_paths(scheme, {"base": str(ENVIRONMENT), "platbase": str(ENVIRONMENT)})
    return Path(paths["purelib"])


def has_paths(arguments: Sequence[str]) -> bool:
    return any(not argument.startswith("-") and (PROJECT / argument.split("::")[0]).exists() for argument in arguments)


if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def wait_for_lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def wait_for_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
