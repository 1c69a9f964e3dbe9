"""Looks after what extensions do while nobody waits for them, a few times a second, from one thread for all."""

import time
from collections.abc import Callable
from threading import Lock, Thread

LOOK_SECONDS = 0.05
# The thread ends when there has been nothing to look at for so long; until then nothing needs to wake it.
IDLE_SECONDS = 10.0

Look = Callable[[], None]


class Watch:
    """Any thread may call. A look must not raise, nor take long."""

    def __init__(self) -> None:
        self._looks: dict[object, Look] = {}
        self._lock = Lock()
        self._is_running = False

    def enter(self, owner: object, look: Look) -> None:
        """Call `look` until `owner` leaves; perhaps once more after that."""
        with self._lock:
            self._looks[owner] = look
            starts, self._is_running = not self._is_running, True
        if starts:
            Thread(target=self._run, name="extension-watch", daemon=True).start()

    def leave(self, owner: object) -> None:
        with self._lock:
            self._looks.pop(owner, None)

    def _run(self) -> None:
        until = time.monotonic() + IDLE_SECONDS
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                looks = list(self._looks.values())
                if not looks and time.monotonic() > until:
                    self._is_running = False
                    return
            if looks:
                until = time.monotonic() + IDLE_SECONDS
            for look in looks:
                look()
