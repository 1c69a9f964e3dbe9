"""A prompt template over many inputs: begun, stopped, resumed, and its results."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modules.errors import BadRequest, Busy
from modules.jobs import JobRunner
from modules.prompts.filling import render
from modules.services.batch_work import BatchWork
from modules.services.models import ModelService
from modules.services.prompt_templates import PromptTemplateService
from modules.storage.batch_runs import RunFolder, RunStore, Tally
from modules.storage.run_export import export
from modules.types.batch_runs import BatchRun, RunRecord, RunState, Table, TableFormat
from modules.types.prompt_templates import PromptTemplate, RenderedPrompt

PREVIEWED_ROWS = 3


@dataclass(frozen=True)
class RunPlan:
    """`columns` maps variables of the template to columns of the table; `values` are the same for every row."""

    template: str
    columns: Mapping[str, str]
    values: Mapping[str, str]


@dataclass(frozen=True)
class RowPreview:
    """What a row would be asked, or why it cannot be."""

    rendered: RenderedPrompt | None
    error: str = ""


class BatchRunService:
    """Any thread may call.

    A run's folder holds all that it needs: its input, the template's text, and a line for each result. A result is in
    the file before the next row is taken, so a run that was stopped, killed or cut off by the end of the program goes
    on behind its last result, and no row that has one is asked again.
    """

    def __init__(self, store: RunStore, prompts: PromptTemplateService, models: ModelService, jobs: JobRunner) -> None:
        self._store = store
        self._prompts = prompts
        self._models = models
        self._jobs = jobs
        self._lock = threading.Lock()
        self._at_work: dict[str, BatchWork] = {}
        # Of results that nobody adds to: by name, with the file's size.
        self._tallies: dict[str, tuple[int, Tally]] = {}

    def runs(self) -> list[BatchRun]:
        """Newest first."""
        return [self._state(folder) for folder in self._store.all()]

    def get(self, name: str) -> BatchRun:
        """Raises NotFound."""
        return self._state(self._store.find(name))

    def preview(self, plan: RunPlan, table: Table) -> list[RowPreview]:
        """What the first rows would be asked. Raises BadRequest for a plan that fits no row."""
        template = self._prompts.get(plan.template)
        check_plan(plan, template, table)
        return [preview_of(template, plan, row) for row in table.rows[:PREVIEWED_ROWS]]

    def create(
        self, plan: RunPlan, table: Table, *, model: str | None = None, name: str = "", form: TableFormat | None = None
    ) -> BatchRun:
        """Begin a run; without a name it gets one. `form` is the result's, None the input's.

        Raises BadRequest for a plan that does not fit or a constraint that is not valid, Conflict for a name that is
        taken, NotFound without a model.
        """
        template = self._prompts.get(plan.template)
        check_plan(plan, template, table)
        record = RunRecord(
            name=name or self._free_name(plan.template),
            created=time.time(),
            template=plan.template,
            template_text=self._prompts.text(plan.template),
            model=self._models.chosen(model).id,
            source=table.source,
            input_columns=list(table.columns),
            rows=len(table.rows),
            columns=dict(plan.columns),
            values=dict(plan.values),
            format=form or table.format,
        )
        return self._begin(self._store.create(record, table), retry_failed=False)

    def stop(self, name: str) -> BatchRun:
        """What is being written now is not kept; `resume` goes on. Any number of times."""
        folder = self._store.find(name)
        job = self._jobs.latest(job_name(name))
        if job is not None and job.state == "running":
            self._jobs.cancel(job.id)
            self._jobs.wait(job.id)
        return self._state(folder)

    def resume(self, name: str, *, retry_failed: bool = False) -> BatchRun:
        """Rows that have a result are left alone; `retry_failed` asks failed ones again that may yet succeed."""
        return self._begin(self._store.find(name), retry_failed=retry_failed)

    def delete(self, name: str) -> None:
        """With its results. Raises Busy while it is at work."""
        with self._lock:
            if self._is_running(name):
                raise Busy(f"The run {name[:120]} is at work. Stop it first.")
            self._store.delete(name)
            self._tallies.pop(name, None)

    def result(self, name: str, form: TableFormat | None = None, *, with_fields: bool = True) -> Iterator[str]:
        """The result file, line by line; also of a run that is not done. Raises NotFound."""
        folder = self._store.find(name)
        return export(folder, form or folder.record.format, with_fields=with_fields)

    def _begin(self, folder: RunFolder, *, retry_failed: bool) -> BatchRun:
        name = folder.record.name
        with self._lock:
            if not self._is_running(name):
                work = BatchWork(folder, self._prompts, self._models, retry_failed=retry_failed)
                self._at_work[name] = work
                self._jobs.start(job_name(name), work)
        return self._state(folder)

    def _is_running(self, name: str) -> bool:
        job = self._jobs.latest(job_name(name))
        return job is not None and job.state == "running"

    def _state(self, folder: RunFolder) -> BatchRun:
        record = folder.record
        work = self._at_work.get(record.name)
        if work is not None and self._is_running(record.name):
            progress = work.progress
            speed, left = progress.tokens_per_second, progress.seconds_left
            return BatchRun(
                record, "running", progress.done, progress.failed,
                failure=progress.failure, tokens_per_second=speed, seconds_left=left,
            )  # fmt: skip
        tally = self._tally(record.name, folder)
        state: RunState = "done" if tally.done >= record.rows else "failed" if record.error else "stopped"
        return BatchRun(record, state, tally.done, tally.failed, tally.retriable, tally.failure)

    def _tally(self, name: str, folder: RunFolder) -> Tally:
        size = folder.result_bytes
        known, tally = self._tallies.get(name, (-1, Tally()))
        if known != size:
            tally = folder.results().tally
            self._tallies[name] = (size, tally)
        return tally

    def _free_name(self, template: str) -> str:
        """The template's, with the time, and a number where two are begun within a second."""
        wanted = f"{template[:80]} {time.strftime('%Y-%m-%d %H.%M.%S')}"
        taken = {folder.record.name for folder in self._store.all()}
        names = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)


def job_name(name: str) -> str:
    return f"run {name}"


def check_plan(plan: RunPlan, template: PromptTemplate, table: Table) -> None:
    """Raises BadRequest naming what does not fit; also where not one of the first rows can be asked."""
    declared = {variable.name: variable for variable in template.variables}
    for name, column in plan.columns.items():
        if name not in declared:
            raise BadRequest(f"The template {template.name} has no variable {name[:80]!r}.", field="columns")
        if column not in table.columns:
            raise BadRequest(
                f"There is no column {column[:80]!r}. There are: {', '.join(table.columns)[:500]}.", field="columns"
            )
        if name in plan.values:
            raise BadRequest(f"The variable {name} has both a column and a value; one is enough.", field="values")
    for name, variable in declared.items():
        if name not in plan.columns and name not in plan.values and variable.default is None:
            raise BadRequest(f"The variable {name} needs a column or a value.", field="columns")
    if not plan.columns:
        raise BadRequest("At least one variable must come from a column; all rows are the same otherwise.", "columns")
    previews = [preview_of(template, plan, row) for row in table.rows[:PREVIEWED_ROWS]]
    rendered = next((one.rendered for one in previews if one.rendered is not None), None)
    if rendered is None:
        raise BadRequest(f"The first rows cannot be asked. {previews[0].error}", field="columns")
    check_constraint(rendered)


def preview_of(template: PromptTemplate, plan: RunPlan, row: Mapping[str, str]) -> RowPreview:
    try:
        return RowPreview(render(template, {**plan.values, **{name: row[one] for name, one in plan.columns.items()}}))
    except BadRequest as error:
        return RowPreview(None, str(error))


def check_constraint(rendered: RenderedPrompt) -> None:
    """Raises BadRequest with the place of the error, before thousands of rows fail of it."""
    if rendered.constraint is None:
        return
    from modules.engines.grammars import grammar_of

    grammar_of(rendered.constraint)
