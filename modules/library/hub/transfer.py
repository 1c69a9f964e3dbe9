"""One file from the hub to the disk: resumed where it stopped, tried again with patience, verified before it counts."""

import errno
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

from modules.errors import Cancelled, DownloadError, HubAccessError, HubError
from modules.library.hub.connection import HubConnection
from modules.library.hub.part import PartFile
from modules.library.hub.shapes import file_path
from modules.library.hub.stream import OK, PARTIAL, POLL_SECONDS, Head, HubStream
from modules.types.hub import HubFile

CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
UNSATISFIABLE = 416
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
# An attempt that brought so much was no failure, however it ended.
PROGRESS_BYTES = 64 * 1024
# A server that twice answers a range wrongly is asked for the whole file; until then what has come is kept.
WRONG_RANGES = 2
WRONG_FILES = 2
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Patience:
    """Seconds, and how many attempts in a row may bring nothing."""

    stall: float = 30.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_asked_wait: float = 120.0
    attempts: int = 6


@dataclass(frozen=True)
class Place:
    """A file of a repository at one commit, which cannot change."""

    repository: str
    commit: str
    file: HubFile


class Watcher(Protocol):
    def at(self, done_bytes: int) -> None:
        """So much of the file is here; less than before when it had to begin anew."""

    def received(self, count: int) -> None:
        """So many bytes came from the hub."""

    def noted(self, note: str) -> None:
        """What it waits for; empty when it goes on."""


class Setback(Exception):
    """An attempt that failed; another may succeed, after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class RangeSetback(Setback):
    """The server answered with other bytes than those that were asked for."""


class Transfer:
    """Fetches one file; on one thread, once."""

    def __init__(
        self,
        hub: HubConnection,
        place: Place,
        watcher: Watcher,
        stopped: Callable[[], bool],
        patience: Patience = Patience(),
    ) -> None:
        self._hub, self._place, self._watcher = hub, place, watcher
        self._stopped, self._patience = stopped, patience

    def run(self, parts: Path, target: Path) -> None:
        """`parts` keeps what came for the next time. Returns when the file is at `target`, whole and verified.

        Raises Cancelled soon after `stopped()`, HubAccessError, NotFound, or DownloadError; what came is kept, except
        bytes that proved wrong.
        """
        try:
            with PartFile(parts, self._place.file) as part:
                self._watcher.noted("checking what is here")
                part.recover(self._stopped)
                self._fetch(part)
                self._watcher.noted("verifying")
                part.publish(target)
                self._watcher.noted("")
        except OSError as error:
            if error.errno in DISK_FULL:
                raise DownloadError(
                    "The disk is full. What has come is kept: free some space, then resume the download."
                ) from error
            raise DownloadError(f"The models folder cannot be written: {error.strerror}.") from error

    def _fetch(self, part: PartFile) -> None:
        """Attempts until the part is complete and right."""
        name = self._place.file.path
        failures, wrong_ranges, wrong_files = 0, 0, 0
        while True:
            before = part.size
            try:
                self._attempt(part)
                if part.is_right():
                    return
                wrong_files += 1
                part.clear()
                self._watcher.at(0)
                if wrong_files >= WRONG_FILES:
                    raise DownloadError(f"{name} arrived damaged: its hash is not the hub's. It was thrown away.")
                raise Setback("the file arrived damaged, so it is fetched anew")
            except Setback as setback:
                failures = 1 if part.size - before >= PROGRESS_BYTES else failures + 1
                if isinstance(setback, RangeSetback):
                    wrong_ranges += 1
                    if wrong_ranges >= WRONG_RANGES:
                        part.clear()
                if failures >= self._patience.attempts:
                    raise DownloadError(
                        f"{name} could not be fetched: {setback}, {failures} times in a row. What has come is kept: "
                        "resume the download later."
                    ) from setback
                self._wait(setback, failures)

    def _attempt(self, part: PartFile) -> None:
        """One request for what is missing. Raises Setback for what may go better the next time."""
        place = self._place
        headers = {"accept-encoding": "identity"}
        if part.size:
            headers["range"] = f"bytes={part.size}-"
            if part.etag and not part.etag.startswith("W/"):
                headers["if-range"] = part.etag
        self._watcher.at(part.size)
        if part.is_complete and (part.size or part.is_right()):
            return
        path = file_path(place.repository, place.commit, place.file.path)
        try:
            with HubStream(self._hub, path, headers, self._patience.stall) as stream:
                accept(stream.head(self._stopped), part)
                self._watcher.noted("")
                for piece in stream.pieces(self._stopped):
                    if part.size + len(piece) > place.file.size_bytes:
                        part.clear()
                        raise Setback("the server sends more than the file has")
                    part.append(piece)
                    self._watcher.received(len(piece))
                    self._watcher.at(part.size)
        except HubAccessError:
            raise
        except HubError as error:
            raise Setback(str(error).rstrip(".")) from error
        if not part.is_complete:
            raise Setback("the connection ended early")

    def _wait(self, setback: Setback, failures: int) -> None:
        patience = self._patience
        seconds = min(patience.first_wait * 2 ** (failures - 1), patience.longest_wait)
        if setback.wait is not None:
            if setback.wait > patience.longest_asked_wait:
                raise DownloadError(
                    f"The server asks to wait {setback.wait / 60:.0f} minutes ({setback}). Resume the download then."
                )
            seconds = setback.wait
        self._watcher.noted(f"waiting {seconds:.0f} s: {setback}")
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._stopped():
                raise Cancelled("The download was stopped.")
            time.sleep(min(left, POLL_SECONDS))


def accept(head: Head, part: PartFile) -> None:
    """Make the part ready for the body that follows, or raise Setback when it is not what was asked for."""
    size, headers = part.file.size_bytes, head.headers
    if head.status == UNSATISFIABLE:
        raise RangeSetback("the server does not know the rest of the file (status 416)")
    if head.status in BUSY:
        raise Setback(f"the server is busy (status {head.status})", asked_wait(headers.get("retry-after", "")))
    if head.status not in {OK, PARTIAL}:
        raise Setback(f"the server refused the file (status {head.status})")
    if headers.get("content-encoding", "identity") != "identity":
        raise Setback("the server sends the file in another encoding")
    etag = headers.get("etag", "")
    if head.status == PARTIAL:
        told = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if told is None or (int(told[1]), int(told[2])) != (part.size, size):
            raise RangeSetback("the server sends another part of the file")
        if part.etag and etag and etag != part.etag:
            raise RangeSetback("the file changed on the server")
        return
    if part.size:
        # The file changed, or the server knows no ranges; perhaps only this once, so what is here is not given up yet.
        raise RangeSetback("the server sends the whole file instead of the rest")
    length = headers.get("content-length", str(size))
    if length != str(size):
        raise Setback(f"the server has a file of {length} bytes instead of {size}")
    part.begin(etag)


def asked_wait(value: str) -> float | None:
    """Retry-After in seconds, given as seconds or as a date; None when it says nothing."""
    if value.isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
