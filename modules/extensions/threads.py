"""Threads that may be left behind: daemons, used again when they come back."""

import ctypes
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from modules.extension_packages import PREFIX

Work = Callable[[], object]


def end_own_code(thread: int) -> None:
    """Raises SystemExit in a thread that is in an extension's own Python now, so that a loop there takes no more time.

    It arrives in that very code, or when what it waits for has come. Code of anybody else is let be: it may hold what
    others wait for.
    """
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    if frame is not None and str(frame.f_globals.get("__name__", "")).startswith(PREFIX):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))


class Threads:
    """Any thread may call. Work must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[Work | None]] = []
        self._closed = False

    def run(self, work: Work) -> None:
        """On a thread that waits for work, or a new one; never in line behind other work."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = self._new()
        inbox.put(work)

    def close(self) -> None:
        """Threads end when they have nothing to do."""
        self._closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _new(self) -> SimpleQueue[Work | None]:
        inbox: SimpleQueue[Work | None] = SimpleQueue()
        Thread(target=self._serve, args=(inbox,), name=self._name, daemon=True).start()
        return inbox

    def _serve(self, inbox: SimpleQueue[Work | None]) -> None:
        while (work := inbox.get()) is not None:
            work()
            if self._closed:
                return
            self._idle.append(inbox)
