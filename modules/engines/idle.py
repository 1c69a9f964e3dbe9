"""Unloads models that nobody has used for a while."""

import threading

from modules.engines.host import EngineHost

LOOK_SECONDS = 20.0


class IdleUnloader:
    """Looks every LOOK_SECONDS; 0 minutes let idle models stay."""

    def __init__(self, host: EngineHost, minutes: int) -> None:
        self._host = host
        self._seconds = minutes * 60
        self._closed = threading.Event()
        if minutes:
            threading.Thread(target=self._watch, name="idle unload", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self._host.unload_idle(self._seconds)
