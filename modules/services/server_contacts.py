"""Whether servers answer, and when they were last heard of: what requests found, and a check when that is old."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from modules.errors import FetchError, ParlorError

# How old the last word of a server may be before somebody who looks at it has it asked again.
FRESH_SECONDS = 20.0


@dataclass(frozen=True)
class Contact:
    """Since the program's start; times are Unix time. `reachable` is None before the first try.

    A server that refuses is reachable; `error` is the sentence of the last try, empty when it went well.
    """

    reachable: bool | None = None
    last_heard: float | None = None
    error: str = ""
    tried: float = 0.0


NEVER = Contact()


class ServerContacts:
    """By address. Any thread may call, and nobody waits: a check has a thread of its own. `clock` tells Unix time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Contact] = {}
        self._checking: set[str] = set()

    def of(self, address: str) -> Contact:
        with self._lock:
            return self._known.get(address, NEVER)

    def tried(self, address: str, failure: ParlorError | None, remark: str = "") -> None:
        """How a request to it ended; `remark` is what was odd about one that went well."""
        now = self._clock()
        with self._lock:
            before = self._known.get(address, NEVER)
            if isinstance(failure, FetchError):
                self._known[address] = Contact(False, before.last_heard, str(failure), now)
            else:
                self._known[address] = Contact(True, now, str(failure or remark), now)

    def heard(self, address: str) -> None:
        """It answered a request, which says nothing of its list of models."""
        contact = self.of(address)
        self.tried(address, None, contact.error if contact.reachable else "")

    def doubt(self, address: str) -> None:
        """A request to it failed, for whatever reason: the next who looks has it asked."""
        with self._lock:
            self._known[address] = replace(self._known.get(address, NEVER), tried=0.0)

    def check_if_old(self, address: str, check: Callable[[], object]) -> None:
        """Begin a `check`, which ends in `tried`, unless the last word of this server is fresh or one is under way."""
        with self._lock:
            is_fresh = self._clock() - self._known.get(address, NEVER).tried < FRESH_SECONDS
            if is_fresh or address in self._checking:
                return
            self._checking.add(address)
        # A thread that the program's end need not wait for.
        threading.Thread(target=self._check, args=(address, check), name="server check", daemon=True).start()

    def _check(self, address: str, check: Callable[[], object]) -> None:
        with suppress(ParlorError):
            check()
        with self._lock:
            self._checking.discard(address)
