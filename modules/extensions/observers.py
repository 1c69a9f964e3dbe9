"""Tells extensions what has happened, without anyone waiting for them."""

from collections.abc import Sequence
from threading import Lock

from modules.extensions.calls import GuardedCalls
from modules.extensions.guard import Step


class Observers:
    """What is told arrives in the order in which it was told, a moment later: together with what else has come by then,
    for one thread is woken for all of it, and none while a reply begins or ends. Any thread may call."""

    def __init__(self, calls: GuardedCalls) -> None:
        self._calls = calls
        self._watch = calls.guard.watch
        self._waiting: list[Step] = []
        self._lock = Lock()
        self._at_work = False

    def tell(self, steps: Sequence[Step]) -> None:
        """Each tells one extension."""
        with self._lock:
            self._waiting += steps
            begins, self._at_work = not self._at_work, True
        if begins:
            self._watch.enter(self, self.go_on)

    def go_on(self) -> None:
        """With all that has come meanwhile; at once, where somebody is about to be disabled."""
        self._watch.leave(self)
        with self._lock:
            steps, self._waiting = self._waiting, []
            self._at_work = bool(steps)
        if steps:
            self._calls.begin(steps, lambda: self._watch.enter(self, self.go_on))
