"""Long work with progress, cancel and a record that survives a restart."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from modules.errors import NotFound, ParlorError
from modules.storage.job_records import JobRecords
from modules.types.jobs import Job, JobState

Report = Callable[[float | None, str], None]
Work = Callable[[Report, Callable[[], bool]], None]


class JobRunner:
    """Runs each job on a thread of its own. Any thread may call.

    A job's work gets `report(progress, note)` and `cancelled()`; it ends by returning or by raising.
    """

    def __init__(self, records: JobRecords, ended: Callable[[Job], None] = lambda _job: None) -> None:
        """`ended` is told of every job that has ended, on the job's thread."""
        self._records = records
        self._tell_ended = ended
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._cancelled: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        records.interrupt_running()

    def start(self, name: str, work: Work) -> Job:
        """Begin `work`; a running job of the same name is returned instead of starting a second one."""
        with self._lock:
            for job in self._jobs.values():
                if job.name == name and job.state == "running":
                    return job
            job = Job(secrets.token_hex(8), name, "running", 0.0, "starting", time.time())
            self._jobs[job.id] = job
            self._cancelled[job.id] = threading.Event()
            thread = threading.Thread(target=self._run, args=(job.id, work), name=f"job {name}", daemon=True)
            self._threads[job.id] = thread
        self._records.save(job)
        thread.start()
        return job

    def get(self, job_id: str) -> Job:
        with self._lock:
            if job_id in self._jobs:
                return self._jobs[job_id]
        for job in self._records.newest(1000):
            if job.id == job_id:
                return job
        raise NotFound(f"There is no job {job_id[:64]!r}.", field="job_id")

    def latest(self, name: str) -> Job | None:
        """Of this run of the program."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.name == name]
        return jobs[-1] if jobs else None

    def history(self, limit: int = 100) -> list[Job]:
        """Newest first; running ones with their progress of this moment."""
        with self._lock:
            live = dict(self._jobs)
        return [live.get(job.id, job) for job in self._records.newest(limit)]

    def cancel(self, job_id: str) -> Job:
        """Ask the job to end; it stays `running` until it has."""
        job = self.get(job_id)
        if job.state == "running":
            self._cancelled[job.id].set()
        return job

    def wait(self, job_id: str) -> Job:
        self._threads[job_id].join()
        return self.get(job_id)

    def close(self) -> None:
        """Cancel what runs and give it a moment to clean up."""
        with self._lock:
            running = [job.id for job in self._jobs.values() if job.state == "running"]
        for job_id in running:
            self._cancelled[job_id].set()
        for job_id in running:
            self._threads[job_id].join(3.0)

    def _run(self, job_id: str, work: Work) -> None:
        flag = self._cancelled[job_id]

        def report(progress: float | None, note: str) -> None:
            with self._lock:
                self._jobs[job_id] = replace(self._jobs[job_id], progress=progress, note=note)

        try:
            work(report, flag.is_set)
        except ParlorError as error:
            self._end(job_id, "cancelled" if flag.is_set() else "failed", str(error))
        except Exception as error:  # noqa: BLE001 - the job boundary: a fault ends the job, not the program
            self._end(job_id, "failed", f"Unexpected: {error!r}")
        else:
            self._end(job_id, "done", "")

    def _end(self, job_id: str, state: JobState, error: str) -> None:
        with self._lock:
            job = replace(self._jobs[job_id], state=state, error=error, ended=time.time())
            self._jobs[job_id] = job
        self._records.save(job)
        self._tell_ended(job)
