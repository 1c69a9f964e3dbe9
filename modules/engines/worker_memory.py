"""How much memory a worker takes."""

import time
from pathlib import Path

import psutil

MEASURED_SECONDS = 5.0


class WorkerMemory:
    """Measured at most every MEASURED_SECONDS: the system walks through all pages of the process for it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._until = 0.0
        self._bytes = 0

    def now(self) -> int:
        """Bytes; 0 when the process has gone."""
        if time.monotonic() >= self._until:
            self._bytes = measured(self._pid)
            self._until = time.monotonic() + MEASURED_SECONDS
        return self._bytes


def measured(pid: int) -> int:
    """The process's own pages and its share of those it has in common with others (Linux), or its resident ones."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resident_bytes(pid)


def resident_bytes(pid: int) -> int:
    """Quick to tell, but it counts what is shared with others in full; 0 when the process has gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0
