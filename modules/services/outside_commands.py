"""Commands of other programs, git and pip: bounded in time and disk, cancelled, and ended with this program."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modules.children import SECRET_VARIABLES, die_with_parent
from modules.errors import Cancelled, InstallError
from modules.paths import PROJECT

POLL_SECONDS = 0.1
# Looking at a large folder takes a while, so it is looked at less often.
SIZE_SECONDS = 1.0
SAID_BYTES = 4000


@dataclass(frozen=True)
class Workplace:
    """A scratch folder that holds all a command writes: at most `size_bytes` of it, `seconds` long.

    `report` is told the newest line the command has said.
    """

    folder: Path
    size_bytes: int
    seconds: float
    cancelled: Callable[[], bool] = lambda: False
    report: Callable[[str], None] = lambda _line: None


@dataclass(frozen=True)
class Ended:
    """`output` is a file; `said` is the end of what was written to standard error."""

    status: int
    output: Path
    said: str


def run_command(
    command: Sequence[str], place: Workplace, *, environment: Mapping[str, str], told: Path | None = None
) -> Ended:
    """Runs until it ends; `told` is the file it reads, `environment` is added to this program's without its secrets.

    Raises Cancelled, or InstallError when it takes too long or writes too much. Nothing of it runs on then.
    """
    output, errors = place.folder / "output", place.folder / "errors"
    inherited = {name: value for name, value in os.environ.items() if is_inherited(name)}
    with output.open("wb") as out, errors.open("wb") as err, (told or Path(os.devnull)).open("rb") as read:
        process = subprocess.Popen(
            [*leash(), *command],
            cwd=place.folder,
            env={**inherited, **environment, "PYTHONPATH": str(PROJECT)},
            stdin=read,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            watch(process, place, Path(command[0]).name)
        finally:
            end(process)
    return Ended(process.returncode, output, tail(errors).strip())


def is_inherited(name: str) -> bool:
    """Neither secrets, nor what a git that this program was started from told its own."""
    return name not in SECRET_VARIABLES and not name.startswith("GIT_")


def watch(process: subprocess.Popen[bytes], place: Workplace, name: str) -> None:
    deadline = time.monotonic() + place.seconds
    looked = time.monotonic()
    shown = ""
    while True:
        if place.cancelled():
            raise Cancelled("It was cancelled; nothing was installed.")
        now = time.monotonic()
        if now >= deadline:
            raise InstallError(f"{name} took longer than {place.seconds:,.0f} s and was ended.")
        if now - looked > SIZE_SECONDS:
            if size_of(place.folder) > place.size_bytes:
                raise InstallError(f"{name} wrote more than {place.size_bytes:,} bytes and was ended.")
            line = tail(place.folder / "output").rstrip().rpartition("\n")[2].strip()
            if line and line != shown:
                shown = line
                place.report(line)
            looked = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return


def end(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def size_of(folder: Path) -> int:
    """What comes and goes meanwhile counts as nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(root, name).lstat().st_size
    return total


def tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SAID_BYTES))
        return file.read(SAID_BYTES).decode("utf-8", "replace")


def leash() -> tuple[str, ...]:
    """What is put before a command so that it dies with this program, also when that is killed."""
    if sys.platform == "win32":
        return ()
    # -P: never a module of the folder it runs in.
    return (sys.executable, "-P", "-m", "modules.services.outside_commands", str(os.getpid()))


def become(command: list[str]) -> None:
    """The program on the leash: becomes the command, which keeps the bond. Does not return."""
    die_with_parent(int(sys.argv[1]))
    os.environ.pop("PYTHONPATH")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    become(sys.argv[2:])
