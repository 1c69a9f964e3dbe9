"""One run of the tests in several processes (pytest-xdist): what they share, and who waits for whom."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def folder_of_run(own: Path) -> Path:
    """The folder that all processes of the run share, of this process's own folder for temporary files."""
    return own.parent if is_one_of_several() else own


@contextmanager
def held(lock: Path, *, shared: bool = False) -> Generator[None]:
    """While no other process of the run holds the lock; a shared hold excludes only those that are not."""
    if not is_one_of_several():
        yield
        return
    import fcntl

    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Not left to the closing of the file: a process forked meanwhile would hold the lock on.
            fcntl.flock(file, fcntl.LOCK_UN)
