"""What went wrong in extensions, by name, and what is not called any more because of it."""

import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Lock

from modules.extensions.facts import Fault
from modules.extensions.guard import StepFault

MAX_FAULTS = 3
MAX_LEFT_BEHIND = 2
KEPT_FAULTS = 50
KEPT_LINES = 200
LINE_CHARS = 2000


class FaultBook:
    """Any thread may call. `give_up` is told of an extension that left more calls behind than it may."""

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self._give_up = give_up
        self._lock = Lock()
        self._faults: dict[str, deque[Fault]] = {}
        self._lines: dict[str, deque[str]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._left_behind: Counter[str] = Counter()

    def add(self, found: StepFault) -> None:
        step = found.step
        with self._lock:
            faults = self._faults.setdefault(step.extension, deque(maxlen=KEPT_FAULTS))
            faults.append(Fault(step.hook, found.sentence, time.time()))
            self._counts[step.extension, step.hook] += 1
            is_last = self._counts[step.extension, step.hook] == MAX_FAULTS
            self._left_behind[step.extension] += found.left_behind
            too_many = self._left_behind[step.extension] > MAX_LEFT_BEHIND
        self.log(step.extension, f"{step.hook} {found.sentence}")
        if is_last:
            self.log(step.extension, f"{step.hook} is not called any more until the extension is enabled again.")
        if too_many:
            self._give_up(step.extension)

    def returned(self, extension: str) -> None:
        """A call that was left behind has come back."""
        with self._lock:
            self._left_behind[extension] -= 1

    def is_off(self, extension: str, hook: str) -> bool:
        return self._counts.get((extension, hook), 0) >= MAX_FAULTS

    def off_hooks(self, extension: str) -> list[str]:
        """What of it is not called any more."""
        with self._lock:
            return [hook for (name, hook), count in self._counts.items() if name == extension and count >= MAX_FAULTS]

    def clear(self, extension: str) -> None:
        """The extension begins anew; calls that it left behind still count, and its log stays."""
        with self._lock:
            self._faults.pop(extension, None)
            for key in [key for key in self._counts if key[0] == extension]:
                del self._counts[key]

    def faults(self, extension: str) -> list[Fault]:
        """The last ones, oldest first."""
        with self._lock:
            return list(self._faults.get(extension, ()))

    def log(self, extension: str, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text[:LINE_CHARS]}"
        with self._lock:
            self._lines.setdefault(extension, deque(maxlen=KEPT_LINES)).append(line)

    def lines(self, extension: str) -> list[str]:
        with self._lock:
            return list(self._lines.get(extension, ()))
