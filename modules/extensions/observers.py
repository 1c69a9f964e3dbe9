"""Tells extensions what has happened, on a thread of its own that nobody waits for."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock

from modules.extensions.threads import Threads

Telling = Callable[[], None]


class Observers:
    """What is told arrives in the order in which it was told. Any thread may call."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: SimpleQueue[Telling | None] = SimpleQueue()
        self._lock = Lock()
        self._started = False

    def tell(self, telling: Telling) -> None:
        """`telling` must not raise."""
        self._waiting.put(telling)
        with self._lock:
            is_first, self._started = not self._started, True
        if is_first:
            self._threads.run(self._serve)

    def close(self) -> None:
        """What waits is still told."""
        self._waiting.put(None)

    def _serve(self) -> None:
        while (telling := self._waiting.get()) is not None:
            telling()
