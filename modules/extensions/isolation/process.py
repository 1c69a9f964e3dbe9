"""The process of one isolated extension, as the program holds it: asked, watched, started again when it ends."""

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modules.children import Child, Launcher
from modules.extensions.guard import Unfit
from modules.extensions.isolation.wire import Peer

CHILD = "modules.extensions.isolation.child"
MAX_RESTARTS = 3
# Below what the registry gives an extension to be imported in.
START_SECONDS = 9.0
# How long a call waits for a process that is being started again, before it goes without.
PATIENCE_SECONDS = 0.8
# The guard gives a call up sooner. A call that has not ended after this long can only be ended with its process.
QUICK_SECONDS, CALM_SECONDS, LONG_SECONDS = 5.0, 20.0, 600.0
QUICK = ("filter_", "stream_transformer", "logits_processors", "custom_")
LONG = ("document_readers.read", "embedding_models.embed", "write_reply.next")
PINGS, PING_PAUSE_SECONDS = 20, 0.003
# As long as a reply of some length.
PING = "a word " * 150


class IsolatedProcess:
    """Any thread may call. `handlers` answer what the extension asks; `report` gets sentences for its card, and
    `restarted` is called when it has been started again."""

    def __init__(
        self,
        launcher: Launcher,
        folder: Path,
        handlers: Mapping[str, Callable[..., Any]],
        report: Callable[[str], None],
        restarted: Callable[[], None],
    ) -> None:
        self._launcher = launcher
        self._folder = folder
        self._handlers = handlers
        self._report = report
        self._restarted = restarted
        self._restarts = 0
        self._cost_seconds = 0.0
        self._closed = False
        self._ready = threading.Event()
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        return self._connection.pid if self._connection is not None else None

    @property
    def note(self) -> str:
        """Continues "It runs ...": where, what a call costs, and how often the process has ended."""
        if self._restarts > MAX_RESTARTS:
            return f"no more: its process has ended {self._restarts} times; enable it to start it again"
        cost = f"in a process of its own, about {self._cost_seconds * 1000:.2f} ms a call"
        return f"{cost}; started again {self._restarts} of {MAX_RESTARTS} times" if self._restarts else cost

    def start(self) -> list[str]:
        """The names of its hooks. Raises BadRequest or Unfit when it cannot be loaded; nothing of it is left then."""
        connection = Connection(self._launcher, self._handlers, self._ended)
        try:
            hooks = connection.peer.ask("load", self._folder, seconds=START_SECONDS)
        except TimeoutError as error:
            connection.kill()
            raise Unfit(f"was not loaded within {START_SECONDS:g} s.") from error
        except Exception:
            connection.kill()
            raise
        self._connection = connection
        self._ready.set()
        return hooks

    def ask(self, name: str, *arguments: Any, seconds: float | None = None) -> Any:
        """Raises what the extension raised, or Unfit. A call that takes much too long ends the process."""
        if not self._ready.wait(PATIENCE_SECONDS) or self._connection is None:
            raise Unfit("could not be asked: its process is being started again.")
        connection = self._connection
        limit = seconds or seconds_for(name)
        try:
            return connection.peer.ask(name, *arguments, seconds=limit)
        except TimeoutError as error:
            connection.kill()
            raise Unfit(f"took longer than {limit:g} s, so its process was ended.") from error

    def measure(self) -> float:
        """Seconds that a call costs beyond its own work: the median of some that give a text back as it is."""
        costs: list[float] = []
        for _ in range(PINGS):
            # Calls come one by one in practice, to threads that have gone to sleep.
            time.sleep(PING_PAUSE_SECONDS)
            started = time.perf_counter()
            self.ask("ping", PING)
            costs.append(time.perf_counter() - started)
        self._cost_seconds = statistics.median(costs)
        return self._cost_seconds

    def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            self._connection.end()

    def _ended(self, connection: "Connection", status: int) -> None:
        """On the thread that read the pipe, which has nothing else to do any more."""
        connection.peer.end(f"was left without an answer: its process {how(status)}.")
        if self._closed or connection is not self._connection:
            return
        self._ready.clear()
        words = f" It last said: {connection.last_line}" if connection.last_line else ""
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            self._report(f"Its process {how(status)} once more; enable it to start it again.{words}")
            self._ready.set()
            return
        self._report(f"Its process {how(status)} and is started again ({self._restarts} of {MAX_RESTARTS}).{words}")
        try:
            self.start()
            self._restarted()
        except Exception as error:  # noqa: BLE001 - the boundary: whatever stops the start is told on the card
            self._report(f"Its process could not be started again: {error}")
            self._ready.set()


class Connection:
    """One child and what is spoken with it."""

    def __init__(
        self,
        launcher: Launcher,
        handlers: Mapping[str, Callable[..., Any]],
        on_end: Callable[["Connection", int], None],
    ) -> None:
        self.peer = Peer(self._send, handlers)
        self._child = Child(launcher, CHILD, self._take, lambda status: on_end(self, status))

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def last_line(self) -> str:
        return self._child.last_words.rstrip().rpartition("\n")[2]

    def kill(self) -> None:
        self._child.kill()

    def end(self) -> None:
        self._child.end()

    def _send(self, message: bytes) -> None:
        self._child.send(message)

    def _take(self, line: bytes) -> None:
        try:
            self.peer.take(line)
        except ValueError:
            # Something other than our own end has written into the pipe; what follows cannot be told apart.
            self._child.kill()


def seconds_for(name: str) -> float:
    if name in LONG:
        return LONG_SECONDS
    return QUICK_SECONDS if name.startswith(QUICK) else CALM_SECONDS


def how(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
