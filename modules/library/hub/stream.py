"""A file's bytes from the hub, read on a thread of its own, so that whoever waits for them can leave at any time."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Self

from modules.errors import Cancelled, HubError, ParlorError
from modules.library.hub.connection import HubConnection

QUEUED_PIECES = 32
POLL_SECONDS = 0.1
OK, PARTIAL = 200, 206
# What the hub itself says of the repository and the token; from another host they only mean an address that ran out.
FINAL = frozenset({401, 403, 404, 451})


@dataclass(frozen=True)
class Head:
    """An answer's status and headers, in small letters."""

    status: int
    headers: Mapping[str, str]


class HubStream:
    """One request. Its reader never touches a file: one that is left behind, waiting for the server, does no harm."""

    def __init__(self, hub: HubConnection, path: str, headers: Mapping[str, str], patience: float) -> None:
        self._hub, self._path, self._headers, self._patience = hub, path, headers, patience
        self._pieces: queue.Queue[Head | bytes | Exception | None] = queue.Queue(QUEUED_PIECES)
        self._left = threading.Event()
        self._wanted = threading.Event()
        threading.Thread(target=self._read, name="hub stream", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._wanted.set()

    def head(self, stopped: Callable[[], bool]) -> Head:
        """Raises Cancelled soon after `stopped()`; NotFound, HubAccessError, or HubError as the connection does."""
        head = self._next(stopped)
        assert isinstance(head, Head)
        return head

    def pieces(self, stopped: Callable[[], bool]) -> Generator[bytes]:
        """The body as it comes, undecoded; raises as `head`, and HubError when nothing came for too long.

        Nothing of it is read before, so that a body whose head is not what was asked for costs next to nothing.
        """
        self._wanted.set()
        while isinstance(piece := self._next(stopped), bytes):
            yield piece

    def _next(self, stopped: Callable[[], bool]) -> Head | bytes | None:
        deadline = time.monotonic() + self._patience
        while True:
            if stopped():
                raise Cancelled("The download was stopped.")
            try:
                piece = self._pieces.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise HubError(f"nothing came for {self._patience:g} seconds") from None
                continue
            if isinstance(piece, Exception):
                raise piece
            return piece

    def _read(self) -> None:
        try:
            with self._hub.stream(self._path, self._headers, self._patience) as response:
                if response.status_code in FINAL and self._hub.is_own(str(response.url)):
                    raise self._hub.refusal(response)
                self._put(Head(response.status_code, dict(response.headers)))
                self._wanted.wait()
                if response.status_code in {OK, PARTIAL} and not self._left.is_set():
                    for piece in response.iter_raw():
                        if not self._put(piece):
                            return
            self._put(None)
        except ParlorError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 - a thread's boundary: the fault belongs to whoever waits
            self._put(HubError(f"Unexpected: {error!r}"))

    def _put(self, piece: Head | bytes | Exception | None) -> bool:
        """False when nobody waits any more."""
        while not self._left.is_set():
            try:
                self._pieces.put(piece, timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
