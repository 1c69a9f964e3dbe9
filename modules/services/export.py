"""What a finetuned model can be made into: a merged folder, a GGUF file, an adapter for llama.cpp."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modules.children import Launcher
from modules.errors import BadRequest, Conflict, ModelError, ParlorError, StorageError
from modules.jobs import JobRunner
from modules.library.folders import read_model_folder
from modules.library.headers import read_gguf_header
from modules.library.placing import place_of
from modules.paths import Paths
from modules.services.agreement import NEUTRAL_PROMPTS, AgreementCheck
from modules.services.child_task import Report, run_task
from modules.services.export_choices import choices_of, gguf_bytes, merged_bytes
from modules.services.export_sources import ExportSource, ExportSources
from modules.services.gguf_adapters import PROGRAM, GgufAdapters
from modules.storage.export_results import ExportResults
from modules.storage.files import sync_folder
from modules.types.exports import Agreement, ExportChoice, ExportKind, ExportResult, GgufType
from modules.types.jobs import Job
from modules.types.local_model import LocalModel

MB = 10**6
# Shares of a job's progress: merging, writing, and comparing, which takes as long as both.
MERGED, WRITTEN = 0.3, 0.6

Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class ExportOrder:
    """What is to be made of a source; `type` is of GGUF files alone, `name` the new model's."""

    source: ExportSource
    kind: ExportKind
    name: str
    type: GgufType | None = None


class ExportService:
    """Exports are jobs. Nothing appears under its name before it is whole, and a GGUF file not before both engines
    agree on it. Any thread may call."""

    def __init__(
        self,
        paths: Paths,
        sources: ExportSources,
        jobs: JobRunner,
        launcher: Launcher,
        *,
        results: ExportResults,
        agreement: AgreementCheck,
        gguf_adapters: GgufAdapters,
    ) -> None:
        self._paths = paths
        self._sources = sources
        self._jobs = jobs
        self._launcher = launcher
        self._results = results
        self._agreement = agreement
        self._gguf_adapters = gguf_adapters

    def choices(self, name: str) -> list[ExportChoice]:
        """Of an adapter or a trained model, with sizes predicted. Raises NotFound or BadRequest."""
        return choices_of(self._sources.find(name))

    def results(self) -> list[ExportResult]:
        """Newest first."""
        return self._results.newest()

    def start(
        self, adapter: str, kind: ExportKind, name: str, type_name: GgufType | None = None, base: str | None = None
    ) -> Job:
        """`name` is what the new model is called; an adapter for llama.cpp stays with its adapter.

        Raises at once NotFound, BadRequest for what cannot be made, Conflict for a name that is taken, or StorageError
        when there is no room.
        """
        order = ExportOrder(self._sources.find(adapter, base), kind, name, type_name)
        self._check(order)
        title = f"export {adapter} as {kind}" + (f" {type_name}" if type_name else "")
        return self._jobs.start(f"{title} to {name}" if name else title, partial(self._run, order))

    def _check(self, order: ExportOrder) -> None:
        choice = next((one for one in choices_of(order.source) if one.kind == order.kind), None)
        if choice is None or not choice.is_possible:
            reason = choice.reason if choice is not None else f"There is no export of the kind {order.kind}."
            raise BadRequest(reason, field="kind")
        if choice.types and order.type not in choice.types:
            raise BadRequest(f"Choose a type: {', '.join(choice.types)}.", field="type")
        if order.kind != "gguf_lora":
            target = self._target(order)
            if target.exists():
                raise Conflict(f"There is a model called {order.name} already; choose another name.", field="name")
            self._require_space(space_of(order))

    def _target(self, order: ExportOrder) -> Path:
        """Raises BadRequest for a name that cannot be one."""
        place = place_of(self._paths.models, order.name)
        return place.targets("gguf" if order.kind == "gguf" else "safetensors", 1)[0]

    def _require_space(self, needed: int) -> None:
        self._paths.models.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._paths.models).free
        if free < needed:
            raise StorageError(
                f"The export needs {needed // MB:,} MB of disk space while it is made; {free // MB:,} MB are free."
            )

    def _run(self, order: ExportOrder, report: Report, cancelled: Cancelled) -> None:
        """The job. What becomes of it is kept, unless it was cancelled."""
        try:
            agreement = self._make(order, report, cancelled)
        except ParlorError as error:
            if not cancelled():
                self._keep(order, None, str(error))
            raise
        fault = "" if agreement is None or agreement.is_good else disagreement(order, agreement)
        self._keep(order, agreement, fault)
        if fault:
            raise ModelError(fault)
        report(1.0, "done")

    def _make(self, order: ExportOrder, report: Report, cancelled: Cancelled) -> Agreement | None:
        """How far the engines agree on it, where they were asked; what they do not agree on is not published."""
        if order.kind != "gguf_lora":
            return self._publish(order, report, cancelled)
        adapter, model = order.source.adapter, order.source.model
        assert adapter is not None
        assert model is not None
        self._gguf_adapters.file(adapter, model.shape, report, cancelled)
        return None

    def _publish(self, order: ExportOrder, report: Report, cancelled: Cancelled) -> Agreement | None:
        target = self._target(order)
        self._paths.downloads.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="export-", dir=self._paths.downloads))
        try:
            folder = self._merged(order.source, staging, report, cancelled)
            made, agreement = folder, None
            if order.kind == "gguf":
                made = staging / target.name
                agreement = self._written(order, folder, made, report, cancelled)
                if not agreement.is_good:
                    return agreement
            else:
                read_model_folder(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise Conflict(f"There is a model called {order.name} by now; choose another name.", field="name")
            made.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise StorageError(f"{order.name} could not be written: {error.strerror}.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return agreement

    def _merged(self, source: ExportSource, staging: Path, report: Report, cancelled: Cancelled) -> Path:
        """The folder of what was trained: with the adapter in it, or as it is."""
        if source.adapter is None:
            return source.folder()
        target = staging / "merged"
        target.mkdir(mode=0o755)
        order = {
            "task": "merge",
            "base": str(source.folder().absolute()),
            "adapter": str(source.adapter.path.absolute()),
            "target": str(target),
        }
        self._work(order, f"Merging {source.name}", within(report, 0.0, MERGED), cancelled)
        return target

    def _written(self, order: ExportOrder, folder: Path, made: Path, report: Report, cancelled: Cancelled) -> Agreement:
        """How far both engines agree on the file."""
        assert order.type is not None
        task = {"task": "gguf", "folder": str(folder), "target": str(made), "type": order.type, "title": order.name}
        self._work(task, f"The export of {order.source.name}", within(report, MERGED, WRITTEN), cancelled)
        read_gguf_header(made)
        return self._agreement.compare(
            folder,
            made,
            type_name=order.type,
            shape=read_model_folder(folder).shape,
            prompts=prompts_of(order.source),
            report=within(report, WRITTEN, 1.0),
            cancelled=cancelled,
        )

    def _work(self, order: dict[str, str], subject: str, report: Report, cancelled: Cancelled) -> None:
        run_task(self._launcher, PROGRAM, order, subject=subject, report=report, cancelled=cancelled)

    def _keep(self, order: ExportOrder, agreement: Agreement | None, error: str = "") -> None:
        name = order.name or order.source.name
        self._results.add(ExportResult(name, order.kind, order.type or "", time.time(), agreement, error))


def disagreement(order: ExportOrder, agreement: Agreement) -> str:
    return (
        f"{order.name} was not published: llama.cpp chose only {agreement.agreed} of {agreement.tokens} tokens as "
        f"transformers does ({agreement.share:.0%}; {agreement.least_share:.0%} are wanted of {order.type}). Choose a "
        "type with more bits, or export the merged folder."
    )


def prompts_of(source: ExportSource) -> Sequence[str]:
    """The run's own, and some that anyone may ask."""
    own = source.run.recipe.probes if source.run is not None else ()
    return (*own, *NEUTRAL_PROMPTS)[: max(len(own), len(NEUTRAL_PROMPTS))]


def space_of(order: ExportOrder) -> int:
    """Bytes on the disk while it is made: a merged folder stands beside the GGUF file until both have been compared."""
    model: LocalModel | None = order.source.model
    assert model is not None
    merged = merged_bytes(model.shape) if order.source.adapter is not None else 0
    return merged + (gguf_bytes(model.shape, order.type) if order.kind == "gguf" and order.type else 0)


def within(report: Report, start: float, end: float) -> Report:
    """Of a part of a job: its progress is from `start` to `end` of the whole."""
    return lambda share, note: report(start + (end - start) * share if share is not None else None, note)
