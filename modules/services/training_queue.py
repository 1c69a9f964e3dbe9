"""The queue of finetuning runs: one at work, the others in the order in which they were asked for."""

import threading
from collections.abc import Callable

from modules.services.training_process import TrainingProcess

STOP_SECONDS = 5.0


class TrainingQueue:
    """Any thread may call. `begin` starts a run's process; None where it could not, which it has recorded itself."""

    def __init__(self, begin: Callable[[str], TrainingProcess | None]) -> None:
        self._begin = begin
        self._lock = threading.RLock()
        self._waiting: list[str] = []
        self._at_work: tuple[str, TrainingProcess] | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """What ends from now on was ended with the program."""
        return self._closed

    def add(self, name: str) -> None:
        """At its end, unless it is in it or at work; begins at once where nothing is at work."""
        with self._lock:
            if not self.place(name) and self.process(name) is None:
                self._waiting.append(name)
            self._advance()

    def remove(self, name: str) -> bool:
        """Whether it was waiting."""
        with self._lock:
            if name not in self._waiting:
                return False
            self._waiting.remove(name)
            return True

    def place(self, name: str) -> int:
        """From 1; 0 for one that does not wait."""
        with self._lock:
            return self._waiting.index(name) + 1 if name in self._waiting else 0

    def process(self, name: str) -> TrainingProcess | None:
        """Of the run at work."""
        with self._lock:
            return self._at_work[1] if self._at_work is not None and self._at_work[0] == name else None

    def ended(self, name: str) -> None:
        """Its process is gone and its end is recorded: the next one may begin."""
        with self._lock:
            if self._at_work is not None and self._at_work[0] == name:
                self._at_work = None
            self._advance()

    def close(self) -> None:
        """The one at work is asked to save, and killed when it takes too long; none begins any more."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            at_work = self._at_work
        if at_work is not None:
            _, process = at_work
            process.stop()
            if not process.wait(STOP_SECONDS):
                process.kill()
                process.wait(STOP_SECONDS)

    def _advance(self) -> None:
        while self._at_work is None and self._waiting and not self._closed:
            name = self._waiting.pop(0)
            process = self._begin(name)
            if process is not None:
                self._at_work = (name, process)
