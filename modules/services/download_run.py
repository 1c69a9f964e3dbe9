"""One download at work: several files at a time, each verified, then published at once."""

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from modules.errors import Cancelled, Conflict, DownloadError
from modules.library.hub.connection import HubConnection
from modules.library.hub.transfer import Patience, Place, Transfer
from modules.storage.downloads import DownloadStore
from modules.storage.files import resolve_name, sync_folder, write_atomically
from modules.types.downloads import DownloadPlan, PlannedFile

# In a published folder: where it comes from.
SOURCE_FILE = ".parlor-source.json"
PLAN = TypeAdapter(DownloadPlan)
WINDOW_SECONDS = 5.0
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class DownloadRules:
    """How many downloads run at once, and files in each; bytes that must stay free on the disk."""

    downloads: int = 2
    files: int = 4
    margin_bytes: int = 256 * 1024 * 1024
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Progress:
    done_bytes: int
    files_done: int
    bytes_per_second: float
    note: str


class Speed:
    """Bytes a second over the last few seconds. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._samples: deque[tuple[float, int]] = deque()

    def received(self, count: int) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
                self._samples.append((now, self._received))
            self._received += count

    def per_second(self) -> float:
        """0 while too little is known, and when nothing came for a while."""
        now = time.monotonic()
        with self._lock:
            while self._samples and now - self._samples[0][0] > WINDOW_SECONDS:
                self._samples.popleft()
            if not self._samples:
                return 0.0
            begun, before = self._samples[0]
            return (self._received - before) / max(now - begun, SAMPLE_SECONDS)


class FileWatch:
    """What one file's transfer says; written by its thread, read by any."""

    def __init__(self, speed: Speed) -> None:
        self._speed = speed
        self.done_bytes = 0
        self.note = ""
        self.is_finished = False

    def at(self, done_bytes: int) -> None:
        self.done_bytes = done_bytes

    def received(self, count: int) -> None:
        self._speed.received(count)

    def noted(self, note: str) -> None:
        self.note = note


class DownloadRun:
    """`run` is called once, on a thread of its own, by whoever holds the download's lock; the rest from any thread."""

    def __init__(
        self, plan: DownloadPlan, models: Path, store: DownloadStore, hub: HubConnection, rules: DownloadRules
    ) -> None:
        self.plan = plan
        self._models, self._store, self._hub, self._rules = models, store, hub, rules
        self._stop = threading.Event()
        self._speed = Speed()
        self._watches = [FileWatch(self._speed) for _ in plan.files]

    def stop(self) -> None:
        """`run` ends within a second, whatever the server does."""
        self._stop.set()

    def run(self) -> None:
        """Returns when the model is published.

        Raises Cancelled after `stop`, Conflict when its place was taken, else DownloadError or what the hub says;
        what has come is kept.
        """
        target = target_path(self._models, self.plan)
        if not self._is_published(target):
            require_free_place(self._models, self.plan)
            self._fetch_all()
            self._publish(target)
        for watch, planned in zip(self._watches, self.plan.files, strict=True):
            watch.at(planned.file.size_bytes)
            watch.is_finished = True

    def progress(self) -> Progress:
        return Progress(
            done_bytes=sum(watch.done_bytes for watch in self._watches),
            files_done=sum(watch.is_finished for watch in self._watches),
            bytes_per_second=self._speed.per_second(),
            note=next((watch.note for watch in self._watches if watch.note), ""),
        )

    def _fetch_all(self) -> None:
        failed = threading.Event()

        def stopped() -> bool:
            return self._stop.is_set() or failed.is_set()

        with ThreadPoolExecutor(self._rules.files, thread_name_prefix="download") as pool:
            work = zip(self.plan.files, self._watches, strict=True)
            futures = [pool.submit(self._fetch, planned, watch, stopped) for planned, watch in work]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed.set()
        errors = [error for future in futures if (error := future.exception()) is not None]
        # Those that were stopped because of another are not the reason.
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error

    def _fetch(self, planned: PlannedFile, watch: FileWatch, stopped: Callable[[], bool]) -> None:
        if stopped():
            raise Cancelled("The download was stopped.")
        plan = self.plan
        if not self._store.is_finished(plan.id, planned):
            require_space(self._models, planned.file.size_bytes - watch.done_bytes, self._rules.margin_bytes)
            place = Place(plan.repository, plan.commit, planned.file)
            transfer = Transfer(self._hub, place, watch, stopped, self._rules.patience)
            transfer.run(self._store.parts(plan.id), self._store.file(plan.id, planned))
        watch.at(planned.file.size_bytes)
        watch.is_finished = True

    def _publish(self, target: Path) -> None:
        """One step, after which the whole model is there. Never over something else."""
        files = self._store.files(self.plan.id)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.plan.is_file:
                publish_file(files / self.plan.files[0].place, target)
            else:
                write_atomically(files / SOURCE_FILE, PLAN.dump_json(self.plan), mode=0o644)
                if target.exists():
                    raise FileExistsError
                files.rename(target)
            sync_folder(target.parent)
        except FileExistsError as error:
            raise taken(self.plan) from error
        except OSError as error:
            raise DownloadError(f"{self.plan.target} could not be put in its place: {error.strerror}.") from error

    def _is_published(self, target: Path) -> bool:
        """Whether this very download was, by a run that ended before it could say so."""
        if not self.plan.is_file:
            return is_from(target, self.plan)
        with suppress(OSError):
            return target.samefile(self._store.file(self.plan.id, self.plan.files[0]))
        return False


def target_path(models: Path, plan: DownloadPlan) -> Path:
    """Raises BadRequest when the name cannot be used here."""
    folder, _, name = plan.target.rpartition("/")
    return resolve_name(models / folder, name)


def require_free_place(models: Path, plan: DownloadPlan) -> None:
    """Raises Conflict when something lies where the model would be put."""
    if is_there(models, plan):
        raise Conflict(f"This model is there already, as {plan.target}.", field="source")
    if target_path(models, plan).exists():
        raise taken(plan)


def is_there(models: Path, plan: DownloadPlan) -> bool:
    """Whether this very model lies where it would be put. Raises BadRequest as `target_path`."""
    target = target_path(models, plan)
    if plan.is_file:
        return target.is_file() and target.stat().st_size == plan.size_bytes
    return is_from(target, plan)


def taken(plan: DownloadPlan) -> Conflict:
    return Conflict(
        f"There is something called {plan.target} among the models already, and it is not overwritten. Rename or "
        "delete it first, if it is not this very model.",
        field="source",
    )


def is_from(folder: Path, plan: DownloadPlan) -> bool:
    """Whether a published folder comes from this plan."""
    with suppress(OSError, ValidationError):
        return PLAN.validate_json((folder / SOURCE_FILE).read_bytes()).id == plan.id
    return False


def require_space(models: Path, needed_bytes: int, margin_bytes: int) -> None:
    """Raises DownloadError with both figures."""
    free = free_bytes(models)
    if free < needed_bytes + margin_bytes:
        raise DownloadError(
            f"The models folder's disk has {free / 10**9:.2f} GB free; this needs {needed_bytes / 10**9:.2f} GB, and "
            f"{margin_bytes / 10**9:.2f} GB are left for other things. Free some space, then go on."
        )


def free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def publish_file(source: Path, target: Path) -> None:
    """Raises FileExistsError where a rename would overwrite in silence."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links.
        if target.exists():
            raise FileExistsError from None
        source.rename(target)
