"""Downloads as people and programs handle them: start, pause, resume, cancel, and what became of each."""

import math
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from modules.errors import Busy, Cancelled, Conflict, NotFound, ParlorError, StorageError
from modules.library.hub.connection import HubConnection
from modules.library.hub.planning import Wish, plan_download
from modules.library.hub.sources import parse_source
from modules.services.download_run import DownloadRules, DownloadRun, require_free_place, require_space
from modules.services.hub import HubService
from modules.storage.downloads import DownloadStore
from modules.types.downloads import Download, DownloadRecord

Ending = Literal["paused", "cancelled", "closed"]
UNFINISHED = ("queued", "running")
CLOSE_SECONDS = 3.0
POLL_SECONDS = 0.1
DEFAULT_RULES = DownloadRules()


@dataclass
class Active:
    """A download that waits or runs in this program, which holds its lock until `ended`."""

    run: DownloadRun
    lock: ExitStack
    record: DownloadRecord
    ending: Ending | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class DownloadService:
    """Any thread. The hub is asked by `start`, and by downloads at work."""

    def __init__(
        self, models: Path, store: DownloadStore, hub: HubService, rules: DownloadRules = DEFAULT_RULES
    ) -> None:
        self._models, self._store, self._client, self._rules = models, store, hub.client, rules
        self._hub = HubConnection(hub.endpoint, hub.token)
        self._lock = threading.RLock()
        # In the order in which they were asked for.
        self._active: dict[str, Active] = {}
        self._unsaved: dict[str, DownloadRecord] = {}
        self._is_closed = False

    def start(self, source: str, *, choice: str = "", pattern: str = "", projector: bool = False) -> Download:
        """Asks the hub what there is and begins, or waits in line. The same files twice are one download.

        Raises BadRequest, SeveralChoices, NotFound, Conflict when the name is taken, DownloadError when the disk has
        too little space, HubError.
        """
        found = parse_source(source, self._hub.endpoint)
        commit, files = self._client.files(found.repository, found.revision)
        plan = plan_download(Wish(source, choice, pattern, projector), found, commit, files)
        with self._lock:
            known = self._store.get(plan.id)
            if known is not None and self._is_at_work(plan.id):
                return self._shown(known)
            require_free_place(self._models, plan)
            self._require_own_place(plan.id, plan.target)
            return self._enqueue(DownloadRecord(plan))

    def downloads(self) -> list[Download]:
        """Newest first; those of other programs in this folder too."""
        return [self._shown(self._unsaved.get(record.plan.id, record)) for record in self._store.all()]

    def get(self, download_id: str) -> Download:
        return self._shown(self._record(download_id))

    def pause(self, download_id: str) -> Download:
        """What has come is kept. Raises Conflict when it does not run."""
        self._end(download_id, "paused")
        return self.get(download_id)

    def resume(self, download_id: str) -> Download:
        """Go on with a paused or failed one. Raises Conflict, or as `start`."""
        with self._lock:
            shown = self.get(download_id)
            if shown.state not in {"paused", "failed"}:
                raise Conflict(f"Only a paused or failed download can be resumed; this one is {shown.state}.")
            return self._enqueue(DownloadRecord(self._record(download_id).plan))

    def cancel(self, download_id: str) -> Download:
        """End it and throw away what has come. Raises Conflict when it has ended already."""
        with self._lock:
            state = self.get(download_id).state
            is_active = download_id in self._active
        if is_active:
            self._end(download_id, "cancelled")
        elif state in {"paused", "failed"}:
            with self._store.hold(download_id):
                record = self._record(download_id)
                self._store.save(DownloadRecord(record.plan, "cancelled", time.time()))
                self._store.drop_content(download_id)
        else:
            self._require_ours(state)
            raise Conflict(f"This download has ended: it is {state}.")
        return self.get(download_id)

    def remove(self, download_id: str) -> Download:
        """Forget one that has ended; what a failed one brought is thrown away. The model it brought stays."""
        shown = self.get(download_id)
        if shown.state not in {"done", "failed", "cancelled"}:
            raise Conflict("Cancel this download first, then remove it.")
        with self._store.hold(download_id):
            self._store.delete(download_id)
        return shown

    def wait(self, download_id: str, seconds: float | None = None) -> Download:
        """Until it has ended or `seconds` have passed; also one that another program works on."""
        with self._lock:
            active = self._active.get(download_id)
        if active is not None:
            active.ended.wait(seconds)
            return self.get(download_id)
        deadline = time.monotonic() + (seconds if seconds is not None else math.inf)
        while (shown := self.get(download_id)).state in UNFINISHED and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return shown

    def close(self) -> None:
        """Stop what runs; it can be resumed after the next start."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._active.values())
            for active in waiting:
                active.ending = active.ending or "closed"
                active.run.stop()
                if active.record.state == "queued":
                    self._leave(active)
        for active in waiting:
            active.ended.wait(CLOSE_SECONDS)

    # Under the lock

    def _enqueue(self, record: DownloadRecord) -> Download:
        plan = record.plan
        needed = plan.size_bytes - self._store.bytes_here(record)
        others = sum(one.run.plan.size_bytes - one.run.progress().done_bytes for one in self._active.values())
        require_space(self._models, needed + others, self._rules.margin_bytes)
        lock = ExitStack()
        lock.enter_context(self._store.hold(plan.id))
        run = DownloadRun(plan, self._models, self._store, self._hub, self._rules)
        self._active[plan.id] = Active(run, lock, record)
        self._store.save(record)
        self._start_next()
        return self.get(plan.id)

    def _start_next(self) -> None:
        running = sum(active.record.state == "running" for active in self._active.values())
        waiting = [active for active in self._active.values() if active.record.state == "queued"]
        for active in waiting[: max(self._rules.downloads - running, 0)]:
            if self._is_closed:
                return
            self._note(active, replace(active.record, state="running"))
            threading.Thread(target=self._work, args=(active,), name="download", daemon=True).start()

    def _note(self, active: Active, record: DownloadRecord) -> None:
        active.record = record
        self._unsaved.pop(record.plan.id, None)
        try:
            self._store.save(record)
        except StorageError:
            # The disk is full, as a rule: what to say of it must not be lost.
            self._unsaved[record.plan.id] = record

    def _leave(self, active: Active) -> None:
        del self._active[active.record.plan.id]
        active.lock.close()
        active.ended.set()

    def _require_own_place(self, download_id: str, target: str) -> None:
        for active in self._active.values():
            if active.run.plan.target == target and active.run.plan.id != download_id:
                raise Conflict(
                    f"Another download is on its way to {target}. Wait for it, or cancel it.", field="source"
                )

    # The rest

    def _work(self, active: Active) -> None:
        plan = active.run.plan
        record = DownloadRecord(plan, "failed", time.time())
        try:
            active.run.run()
            record = DownloadRecord(plan, "done", time.time())
        except Cancelled:
            if active.ending == "cancelled":
                record = DownloadRecord(plan, "cancelled", time.time())
            else:
                # Closed: left as it was, so that the next start says why it stands still.
                record = DownloadRecord(plan, "paused") if active.ending == "paused" else active.record
        except ParlorError as error:
            record = replace(record, ended=time.time(), error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread's boundary: a fault ends the download, not the program
            record = replace(record, ended=time.time(), error=f"Unexpected: {error!r}")
        with self._lock:
            self._note(active, record)
            if record.state in {"done", "cancelled"}:
                self._store.drop_content(plan.id)
            self._leave(active)
            self._start_next()

    def _end(self, download_id: str, ending: Ending) -> None:
        """Ask one that waits or runs to end, and wait until it has."""
        with self._lock:
            state = self.get(download_id).state
            active = self._active.get(download_id)
            if active is None:
                self._require_ours(state)
                raise Conflict(f"This download does not run: it is {state}.")
            active.ending = ending
            active.run.stop()
            if active.record.state == "queued":
                self._note(active, DownloadRecord(active.run.plan, "paused" if ending == "paused" else "cancelled"))
                if ending == "cancelled":
                    self._store.drop_content(download_id)
                self._leave(active)
                return
        active.ended.wait(CLOSE_SECONDS)

    def _require_ours(self, state: str) -> None:
        if state in UNFINISHED:
            raise Busy("Another Parlor works on this download. Pause or cancel it there.")

    def _is_at_work(self, download_id: str) -> bool:
        return download_id in self._active or self._store.is_held(download_id)

    def _record(self, download_id: str) -> DownloadRecord:
        record = self._unsaved.get(download_id) or self._store.get(download_id)
        if record is None:
            raise NotFound(f"There is no download {download_id[:64]!r}.", field="id")
        return record

    def _shown(self, record: DownloadRecord) -> Download:
        plan = record.plan
        shown = Download(
            id=plan.id,
            source=plan.source,
            repository=plan.repository,
            choice=plan.choice,
            target=plan.target,
            state=record.state,
            size_bytes=plan.size_bytes,
            done_bytes=plan.size_bytes if record.state == "done" else 0,
            files=len(plan.files),
            files_done=len(plan.files) if record.state == "done" else 0,
            created=plan.created,
            ended=record.ended,
            note=record.note,
            error=record.error,
        )
        with self._lock:
            active = self._active.get(plan.id)
        if active is not None and record.state in UNFINISHED:
            progress = active.run.progress()
            left = plan.size_bytes - progress.done_bytes
            return replace(
                shown,
                done_bytes=progress.done_bytes,
                files_done=progress.files_done,
                bytes_per_second=progress.bytes_per_second,
                seconds_left=left / progress.bytes_per_second if progress.bytes_per_second else 0.0,
                note=progress.note,
            )
        if record.state in {"done", "cancelled"}:
            return shown
        finished = sum(self._store.is_finished(plan.id, planned) for planned in plan.files)
        shown = replace(shown, done_bytes=self._store.bytes_here(record), files_done=finished)
        if record.state not in UNFINISHED:
            return shown
        if self._store.is_held(plan.id):
            return replace(shown, note="another Parlor works on it")
        return replace(shown, state="paused", note="Parlor was stopped while it ran")
