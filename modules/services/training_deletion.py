"""Runs that were deleted just now, and can be had back for a short while."""

import threading

from modules.errors import NotFound
from modules.storage.training_runs import TrainingStore

# Longer than the page offers it. Checkpoints are large, so that room is made soon.
UNDO_SECONDS = 30.0


class DeletedRuns:
    """Any thread may call. What is left when the program ends is removed when it starts again at the latest."""

    def __init__(self, store: TrainingStore, seconds: float = UNDO_SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._lock = threading.Lock()
        # By the token: the run's name, and who removes it for good.
        self._waiting: dict[str, tuple[str, threading.Timer]] = {}

    def add(self, name: str) -> str:
        """The run counts no more; returns the token that restores it. Raises NotFound, or StorageError."""
        token = self._store.set_aside(name)
        timer = threading.Timer(self._seconds, self._discard, (token,))
        timer.daemon = True
        with self._lock:
            self._waiting[token] = name, timer
        timer.start()
        return token

    def restore(self, token: str) -> str:
        """Returns the run's name. Raises NotFound when it is gone, Conflict where that name is taken meanwhile."""
        with self._lock:
            if token not in self._waiting:
                raise NotFound("This run is gone for good.", field="undo")
            name, timer = self._waiting[token]
            self._store.bring_back(token, name)
            del self._waiting[token]
        timer.cancel()
        return name

    def close(self) -> None:
        """Removes them."""
        with self._lock:
            tokens = list(self._waiting)
        for token in tokens:
            self._discard(token)

    def _discard(self, token: str) -> None:
        with self._lock:
            _, timer = self._waiting.pop(token, ("", None))
        if timer is not None:
            timer.cancel()
            self._store.discard(token)
