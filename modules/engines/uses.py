"""Who needs a loaded model now, and when it was needed last."""

import threading
from collections.abc import Callable


class Uses:
    """Counts what needs a model, from before it is loaded: requests being prepared, waiting and at work.

    As long as anyone does, the model is not thrown out. Once closed nobody can begin to. Any thread may call.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._closed = False
        self._last = clock()

    @property
    def count(self) -> int:
        return self._count

    @property
    def last(self) -> float:
        """When someone began or ceased to need the model, by the clock."""
        return self._last

    def take(self) -> bool:
        """Begin to need the model; False when it is being unloaded. Each True is followed by one `release`."""
        with self._lock:
            if self._closed:
                return False
            self._count += 1
            self._last = self._clock()
            return True

    def release(self) -> None:
        with self._lock:
            self._count -= 1
            self._last = self._clock()

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def close_if_free(self) -> bool:
        """False when somebody needs the model."""
        with self._lock:
            self._closed = self._closed or not self._count
            return self._closed
