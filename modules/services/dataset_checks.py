"""Data checked as a job, which a person can watch and cancel: datasets of the hub are downloaded first."""

import hashlib
from collections.abc import Callable

from modules.amounts import amount
from modules.errors import Cancelled, NotFound
from modules.jobs import JobRunner, Report
from modules.services.datasets import DatasetService
from modules.types.datasets import DatasetCheck, DataSource
from modules.types.jobs import Job

KEPT = 16


class DatasetChecks:
    """Any thread may call. What was found is kept for the last few jobs, until the program ends."""

    def __init__(self, datasets: DatasetService, jobs: JobRunner) -> None:
        self._datasets = datasets
        self._jobs = jobs
        self._found: dict[str, DatasetCheck] = {}

    def start(self, source: DataSource) -> Job:
        """The same source is checked by one job at a time. What is wrong with it is the job's error."""
        name = job_name(source)

        def work(report: Report, cancelled: Callable[[], bool]) -> None:
            def watch(rows: int) -> None:
                if cancelled():
                    raise Cancelled("The check was cancelled.")
                report(None, f"{rows:,} rows checked" if rows else self._downloading(source))

            watch(0)
            self._found[name] = self._datasets.check(source, watch)
            while len(self._found) > KEPT:
                self._found.pop(next(iter(self._found)))

        return self._jobs.start(name, work)

    def result(self, job_id: str) -> DatasetCheck:
        """Raises NotFound for a job that is not done, or is long ago."""
        job = self._jobs.get(job_id)
        if job.state != "done" or job.name not in self._found:
            raise NotFound("This check is not done, or is not kept any more. Check the data again.", field="job_id")
        return self._found[job.name]

    def _downloading(self, source: DataSource) -> str:
        if not source.hub:
            return "reading"
        sizes = [one.size_bytes for one in self._datasets.downloaded() if one.name == source.hub.strip()]
        return f"downloading, {amount(sizes[0])} so far" if sizes else "downloading"


def job_name(source: DataSource) -> str:
    """Names the data, and tells apart other ways to read the same."""
    words = [source.hub or source.path or source.dataset or "conversations", source.hub_config, source.hub_split]
    digest = hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:6]
    return " ".join(["check", *(word for word in words if word), f"({digest})"])
