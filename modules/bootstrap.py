"""Sets the program up on a machine that has nothing but Python; standard library only."""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from modules.pins import SetUpError, unmet, versions_in

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / ".venv"
LOCK = PROJECT / ".venv.lock"
REQUIREMENTS = PROJECT / "requirements.txt"
TEST_REQUIREMENTS = PROJECT / "tests" / "requirements.txt"
# There while something is being made or installed; when it outlives that, what lies around it is half made.
UNFINISHED = ENVIRONMENT / "parlor-unfinished"
# Set for the program that is started again inside the environment, so that it can never start itself for ever.
INSIDE = "PARLOR_INSIDE_ENVIRONMENT"
OLDEST_PIP = (23, 3)
LOCK_POLL_SECONDS = 0.2
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Many tests wait for a program, a page or the clock; a file's tests share what they have started.
IN_TWO_PROCESSES = ("-n", "2", "--dist", "loadfile")
MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

NOT_SET_UP = """usage: python3 webui.py [--model starter] [flags]    start Parlor and open it in the browser
       python3 webui.py test                        run the tests

Nothing is installed yet. The first start makes the folder .venv and installs the packages there, which takes some
minutes; after that, --help lists every flag."""

NO_SPACE = ("no space left on device", "errno 28", "not enough space")
OFFLINE = (
    "name resolution",
    "connectionerror",
    "failed to establish",
    "connection refused",
    "unreachable",
    "timed out",
)


def ensure_environment(arguments: Sequence[str], files: Sequence[Path] = (REQUIREMENTS,)) -> None:
    """Return at once where `files` are met; otherwise start `arguments` again in `.venv`, made first if need be.

    Ends the process when that fails: a sentence on standard error and status 1, or 130 after Ctrl-C.
    """
    try:
        missing = [name for file in files for name in unmet(file, versions_in(sys.path))]
        if not missing:
            os.environ.pop(INSIDE, None)
            return
        if {"-h", "--help"} & set(arguments) and not all(is_complete(file) for file in files):
            say(NOT_SET_UP)
            sys.exit(0)
        if os.environ.get(INSIDE) == str(ENVIRONMENT):
            raise SetUpError(f".venv does not give this program what it needs: {', '.join(missing)}. Delete .venv.")
        set_up(files)
    except SetUpError as error:
        sys.exit(f"\n{error}")
    except OSError as error:
        sys.exit(f"\n{explained(str(error), f'Parlor cannot make .venv in {PROJECT}.', otherwise=f'{error}.')}")
    except KeyboardInterrupt:
        say("\nStopped.")
        sys.exit(130)
    start_inside(arguments)


def run_tests(arguments: Sequence[str]) -> int:
    """`webui.py test`: set up, then run the tests with what pytest is given, all of them in two processes where nothing
    is; returns its exit status."""
    ensure_environment([str(PROJECT / "webui.py"), "test", *arguments], (REQUIREMENTS, TEST_REQUIREMENTS))
    selected: tuple[str, ...] = ()
    if find_browser() is None:
        say("No Chromium or Chrome was found. On Debian: apt-get install chromium; or name one in PARLOR_TEST_BROWSER.")
        if os.environ.get("CI") == "true":
            return 1
        selected = ("-m", "not browser")
    # PROJECT is the folder it runs in, so a path among the arguments is one from there.
    pytest = [sys.executable, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", str(PROJECT)]
    status = wait_for([*pytest, *selected, *(arguments or IN_TWO_PROCESSES)])
    if selected:
        say("The browser tests were left out: there is no Chromium or Chrome.")
    return status


def find_browser() -> "str | None":
    """An installed Chromium or Chrome; PARLOR_TEST_BROWSER names another."""
    named = os.environ.get("PARLOR_TEST_BROWSER")
    candidates = [named] if named else [*BROWSERS, MAC_BROWSER]
    return next((found for name in candidates if (found := shutil.which(name))), None)


def set_up(files: Sequence[Path]) -> None:
    """Bring `.venv` to hold what the files pin. One process does it at a time; another waits and finds it done."""
    if all(is_complete(file) for file in files):
        return
    with locked():
        for file in files:
            if not is_complete(file):
                install(file)


def start_inside(arguments: Sequence[str]) -> None:
    """Start the program again in the environment; does not return."""
    os.environ[INSIDE] = str(ENVIRONMENT)
    command = [str(environment_python()), *arguments]
    if os.name == "nt":
        sys.exit(wait_for(command, folder=None))
    sys.stdout.flush()
    os.execv(command[0], command)


def wait_for(command: Sequence[str], folder: "Path | None" = PROJECT) -> int:
    """The exit status of a command. Ctrl-C reaches it too, so its own way of ending is waited for."""
    process = subprocess.Popen(list(command), cwd=folder)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


# The environment


def is_complete(file: Path) -> bool:
    """Whether the environment was finished for just these requirements, and still holds them."""
    stamp, found = stamp_of(file), look_inside()
    if found is None or UNFINISHED.exists() or not stamp.is_file():
        return False
    version, packages = found
    return stamp.read_bytes() == fingerprint(file, version) and not unmet(file, versions_in([packages]))


def install(file: Path) -> None:
    """Install what a file pins, and stamp it last.

    What a killed set-up left is made anew; older packages, and an environment that someone else made, are kept
    and added to.
    """
    found = look_inside()
    if found is None or UNFINISHED.exists():
        make_environment()
        found = look_inside()
    if found is None:
        raise SetUpError(f"The Python in .venv does not start: {environment_python()}. Delete .venv, then start again.")
    version, packages = found
    versions = versions_in([packages])
    say("Parlor installs its packages into .venv. This happens once, and takes some minutes.")
    if sys.platform == "linux" and "torch" in unmet(file, versions):
        say("The usual torch for Linux is the CUDA build, several GB; README.md tells how to get the small CPU build.")
    UNFINISHED.touch()
    # Older ones resolve slowly and do not know today's wheels.
    if tuple(int(part) for part in re.findall(r"\d+", versions.get("pip", "0"))[:2]) < OLDEST_PIP:
        run_pip("install", "--upgrade", "--quiet", "--disable-pip-version-check", "pip")
    run_pip("install", "--no-compile", "--disable-pip-version-check", "-r", str(file))
    # Importing the page takes twice as long from sources that were never compiled.
    say("Preparing the packages ...")
    python = str(environment_python())
    quiet = subprocess.DEVNULL
    subprocess.call([python, "-m", "compileall", "-q", "-j", "0", str(packages)], stdout=quiet, stderr=quiet)
    still_missing = unmet(file, versions_in([packages]))
    if still_missing:
        UNFINISHED.unlink()
        names = ", ".join(still_missing)
        raise SetUpError(f"After installing, these are not as pinned: {names}. Delete .venv, then start again.")
    temporary = stamp_of(file).with_suffix(".new")
    temporary.write_bytes(fingerprint(file, version))
    temporary.replace(stamp_of(file))
    UNFINISHED.unlink()


def make_environment() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetUpError(
            f"This Python cannot make an environment. On Debian: apt-get install {package} (or python3-venv)."
        )
    say("Making .venv ...")
    ENVIRONMENT.mkdir(exist_ok=True)
    UNFINISHED.touch()
    for left_over in ENVIRONMENT.iterdir():
        if left_over.is_dir() and not left_over.is_symlink():
            shutil.rmtree(left_over)
        elif left_over != UNFINISHED:
            left_over.unlink()
    # The Python that runs may be the one in .venv that was just removed.
    base = str(sys._base_executable)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    command = [base, "-m", "venv", str(ENVIRONMENT)]
    made = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if made.returncode != 0:
        output = made.stdout + made.stderr
        raise SetUpError(f"{output}\n{explained(output, 'The environment .venv could not be made.')}")


def run_pip(*arguments: str) -> None:
    """pip's own lines go to the terminal; what it complained of explains a failure."""
    process = subprocess.Popen(
        [str(environment_python()), "-m", "pip", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # It shares the lock's file, so that a pip whose Parlor was killed still keeps others out.
        close_fds=os.name == "nt",
    )
    assert process.stderr is not None
    complaints: list[str] = []
    for line in process.stderr:
        sys.stderr.write(line)
        complaints.append(line)
    if process.wait() != 0:
        # It ended by itself, so what was there before is whole.
        UNFINISHED.unlink()
        raise SetUpError(explained("".join(complaints), "Parlor could not install its packages."))


def explained(output: str, what: str, otherwise: str = "The lines above say why.") -> str:
    """What went wrong, the cause that `output` tells of, and what to do."""
    said = output.lower()
    if any(mark in said for mark in NO_SPACE):
        cause = "The disk is full. Free some space: the CPU build needs about 3 GB, the CUDA build about 9 GB."
    elif any(mark in said for mark in OFFLINE):
        cause = "They could not be downloaded. Is there a network connection?"
    elif "no matching distribution" in said:
        python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        cause = f"The package index has none for {python} on this machine, or could not be reached."
    else:
        cause = otherwise
    return f"{what} {cause} Then start again: what is done already is kept."


def look_inside() -> "tuple[str, Path] | None":
    """(Python's version, the folder of its packages) of the environment; None when it is missing or broken."""
    python = environment_python()
    if not python.is_file():
        return None
    code = "import platform, sysconfig; print(platform.python_version()); print(sysconfig.get_path('purelib'))"
    try:
        asked = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    version, _, packages = asked.stdout.strip().partition("\n")
    return (version, Path(packages)) if asked.returncode == 0 and Path(packages).is_dir() else None


def environment_python() -> Path:
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_of(file: Path) -> Path:
    return ENVIRONMENT / ("parlor-tests.stamp" if file == TEST_REQUIREMENTS else "parlor-program.stamp")


def fingerprint(file: Path, python_version: str) -> bytes:
    return hashlib.sha256(file.read_bytes() + python_version.encode()).hexdigest().encode()


@contextlib.contextmanager
def locked() -> "Generator[None, None, None]":
    with LOCK.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        if not try_lock(file.fileno()):
            say("Another Parlor is setting up; waiting for it ...")
            while not try_lock(file.fileno()):
                time.sleep(LOCK_POLL_SECONDS)
        yield


if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def say(line: str) -> None:
    print(line, flush=True)
