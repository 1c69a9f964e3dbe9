"""A run at work: its rows are asked in parallel, so that the model's slots are never empty."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress

from modules.errors import BadRequest, Busy, Cancelled, EngineError, ModelError, NotFound, ParlorError, StorageError
from modules.jobs import Report
from modules.limits import LIMITS
from modules.prompts.filling import render
from modules.services.label_scoring import wait_for_end
from modules.services.models import ModelService
from modules.services.prompt_templates import PromptTemplateService
from modules.services.request_hooks import RequestSource
from modules.storage.batch_runs import InputRow, ResultIndex, ResultLog, RunFolder
from modules.storage.prompt_templates import parse
from modules.types.batch_runs import RowResult
from modules.types.generation import Finished
from modules.types.prompt_templates import RenderedPrompt

REPORT_SECONDS = 0.25
BUSY_SECONDS = 0.5
# An engine may die of another request; a row that fails twice is at fault itself.
TRIES = 2
# What concerns the run as a whole; anything else is the row's own.
ENDS_THE_RUN = (ModelError, NotFound, StorageError, Cancelled)


class Progress:
    """What a run at work tells of itself. Any thread may call."""

    def __init__(self, rows: int, index: ResultIndex) -> None:
        self._lock = threading.Lock()
        self._rows = rows
        self._began = time.monotonic()
        self._new = 0
        self._tokens = 0
        tally = index.tally
        self.done, self.failed, self.failure = tally.done, tally.failed, tally.failure

    def add(self, result: RowResult, *, replaces_failure: bool) -> None:
        with self._lock:
            self._new += 1
            self._tokens += result.tokens
            self.done += not replaces_failure
            self.failed += bool(result.error) - replaces_failure
            self.failure = (result if result.error else self.failure) if self.failed else None

    @property
    def tokens_per_second(self) -> float | None:
        return self._tokens / self._seconds if self._new else None

    @property
    def seconds_left(self) -> float | None:
        return self._seconds / self._new * (self._rows - self.done) if self._new else None

    @property
    def fraction(self) -> float:
        return min(self.done / max(self._rows, 1), 1.0)

    @property
    def note(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.done:,} of {self._rows:,} rows{failed}"

    @property
    def _seconds(self) -> float:
        return max(time.monotonic() - self._began, 1e-6)


class BatchWork:
    """One stretch of a run, from its start or resumption until it is done or stopped; called once, by its job."""

    def __init__(
        self, run: RunFolder, prompts: PromptTemplateService, models: ModelService, *, retry_failed: bool
    ) -> None:
        self._run = run
        self._record = run.record
        self._template = parse(self._record.template, self._record.template_text)
        self._prompts = prompts
        self._models = models
        self._retry_failed = retry_failed
        self._index = run.results()
        self.progress = Progress(self._record.rows, self._index)
        self._stopped = threading.Event()
        self._taking = threading.Lock()

    def __call__(self, report: Report, cancelled: Callable[[], bool]) -> None:
        """Raises Cancelled when it was stopped, and what keeps the run from going on."""
        self._run.note_error("")
        try:
            self._work(report, cancelled)
        except Cancelled:
            raise
        except Exception as error:
            with suppress(StorageError):
                self._run.note_error(str(error))
            raise

    def _work(self, report: Report, cancelled: Callable[[], bool]) -> None:
        report(self.progress.fraction, "loading the model")
        workers = self._slots(cancelled) + 1
        rows, log = self._unfinished(), self._run.log()
        try:
            with ThreadPoolExecutor(workers, thread_name_prefix="run") as pool:
                at_work = [pool.submit(self._take_rows, rows, log) for _ in range(workers)]
                while wait(at_work, REPORT_SECONDS, FIRST_EXCEPTION).not_done and not self._stopped.is_set():
                    report(self.progress.fraction, self.progress.note)
                    if cancelled():
                        self._stopped.set()
        finally:
            log.close()
        errors = [error for one in at_work if (error := one.exception()) is not None]
        for error in errors:
            if not isinstance(error, Cancelled):
                raise error
        if self._stopped.is_set():
            raise Cancelled("The run was stopped.")
        report(1.0, self.progress.note)

    def _slots(self, cancelled: Callable[[], bool]) -> int:
        """With one request more than there are slots the next is always ready when one gets free."""
        with self._models.in_use(self._record.model) as loading:
            while True:
                if cancelled():
                    raise Cancelled("The run was stopped.")
                with suppress(TimeoutError):
                    return min(loading.result.result(REPORT_SECONDS).capabilities.slots, LIMITS.queued_requests - 1)

    def _unfinished(self) -> Iterator[InputRow]:
        also_failed = not self._retry_failed
        return (row for row in self._run.inputs() if not self._index.has(row, also_failed=also_failed))

    def _take_rows(self, rows: Iterator[InputRow], log: ResultLog) -> None:
        try:
            while not self._stopped.is_set():
                with self._taking:
                    row = next(rows, None)
                if row is None:
                    return
                result = self._result(row)
                log.append(result)
                self.progress.add(result, replaces_failure=self._index.has(row))
        except BaseException:
            self._stopped.set()
            raise

    def _result(self, row: InputRow) -> RowResult:
        """Raises what ends the run; a row's own error is its result."""
        failures = 0
        while True:
            try:
                return self._asked(row)
            except ENDS_THE_RUN:
                raise
            except Busy:
                if self._stopped.wait(BUSY_SECONDS):
                    raise Cancelled("The run was stopped.") from None
            except ParlorError as error:
                failures += 1
                if failures == TRIES or not isinstance(error, EngineError):
                    return RowResult(row=row.number, key=row.key, error=str(error))

    def _asked(self, row: InputRow) -> RowResult:
        values = {**self._record.values, **{name: row.cells[column] for name, column in self._record.columns.items()}}
        try:
            rendered = render(self._template, values)
        except BadRequest as error:
            return RowResult(row=row.number, key=row.key, error=str(error), is_final=True)
        if rendered.output == "labels":
            return self._classified(row, rendered)
        generation = self._prompts.start(rendered, self._record.model, asked_by=RequestSource("run"))
        wait_for_end(generation, self._stopped.is_set)
        assert isinstance(generation.end, Finished)
        text = generation.text
        return RowResult(
            row=row.number,
            key=row.key,
            output=text,
            finish_reason=generation.end.reason,
            error=fault_of(text, rendered),
            tokens=generation.end.usage.completion_tokens,
        )

    def _classified(self, row: InputRow, rendered: RenderedPrompt) -> RowResult:
        found = self._prompts.label_probabilities(rendered, self._record.model, self._stopped.is_set)
        probabilities = {one.label: round(one.probability, 6) for one in found.labels}
        best = found.labels[0].label
        return RowResult(row=row.number, key=row.key, output=best, finish_reason="stop", fields=probabilities)


def fault_of(text: str, rendered: RenderedPrompt) -> str:
    """Why an output is not what the template asks for; empty when it is."""
    if rendered.output != "json":
        return ""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "The reply is not whole JSON: it reached its longest length. Raise max_tokens, or limit the schema."
    return ""
