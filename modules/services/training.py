"""Finetuning as people and programs handle it: plan, start, watch, stop, resume."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from modules.children import Launcher
from modules.errors import BadRequest, Busy, Conflict, NotFound, ParlorError, StorageError
from modules.paths import Paths
from modules.services.trainable_models import TrainableModels
from modules.services.training_deletion import DeletedRuns
from modules.services.training_process import WORKER, Ending, TrainingProcess
from modules.services.training_queue import TrainingQueue
from modules.services.training_result import ResultPublisher
from modules.services.training_samples import Examples, write_split
from modules.storage.training_runs import TrainingFolder, TrainingStore
from modules.types.recipes import Recipe
from modules.types.training import Deletion, LensSample, RunRecord, RunState, TrainingPlan, TrainingRun

PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")
UNFINISHED = ("queued", "running")
PROGRAM_ENDED = "The program ended meanwhile. Resume goes on from the newest checkpoint."


class Planner(Protocol):
    """Chooses what a recipe leaves open, shows samples as the model reads them, learns from runs that have ended."""

    def plan(self, recipe: Recipe) -> TrainingPlan: ...

    def lens(self, recipe: Recipe, first: int = 0, count: int = 8) -> tuple[list[LensSample], int]: ...

    def learn(self, run: TrainingRun) -> None: ...

    def close(self) -> None: ...


class TrainingService:
    """Any thread may call.

    A run's folder holds all that it needs. One run is at work at a time, in a process of its own, and goes on when the
    page is closed. When the program ends, the run at work saves a checkpoint if there is time; it and those that wait
    are `interrupted` at the next start, and nothing goes on by itself.
    """

    def __init__(
        self,
        paths: Paths,
        models: TrainableModels,
        planner: Planner,
        examples: Examples,
        launcher: Launcher,
        *,
        threads: int = 0,
        worker: str = WORKER,
    ) -> None:
        """`examples` reads a source's samples; `worker` is the module of the training process."""
        self.models = models
        self._planner = planner
        self._examples = examples
        self._launcher = launcher
        self._threads = threads
        self._worker = worker
        self._store = TrainingStore(paths.training)
        self._publisher = ResultPublisher(paths)
        self._queue = TrainingQueue(self._begin)
        self._deleted = DeletedRuns(self._store)
        self._lock = threading.Lock()
        for folder in self._store.all():
            if folder.record.state in UNFINISHED:
                folder.update({"state": "interrupted", "note": PROGRAM_ENDED})

    def plan(self, recipe: Recipe) -> TrainingPlan:
        """Nothing left open, what it will take, and why it cannot be started if so. Raises NotFound, BadRequest."""
        with self._about_data(recipe):
            plan = self._planner.plan(recipe)
        return replace(plan, name_fault=self._name_fault(plan.recipe))

    def lens(self, recipe: Recipe, first: int = 0, count: int = 8) -> tuple[list[LensSample], int]:
        """(samples as the model would read them, how many there are). Raises as `plan` does."""
        with self._about_data(recipe):
            return self._planner.lens(recipe, first, count)

    def start(self, recipe: Recipe) -> TrainingRun:
        """Begin a run, or queue it behind the one at work.

        Raises Conflict for a name that is taken, BadRequest for what cannot be trained or does not fit (memory, disk),
        NotFound for a model that is not here.
        """
        recipe = recipe.model_copy(update={"name": self._store.check_free(recipe.name).name})
        plan = self.plan(recipe)
        if plan.refusal:
            raise BadRequest(" ".join([plan.refusal, *plan.remedies]))
        resolved = plan.recipe
        self._publisher.check_free(resolved)
        record = RunRecord(
            name=resolved.name,
            state="queued",
            created=time.time(),
            total_steps=plan.prediction.steps,
            predicted_memory_bytes=plan.prediction.memory_bytes,
            predicted_seconds=plan.prediction.seconds,
            calculated_memory_bytes=plan.prediction.calculated_memory_bytes,
            calculated_tokens_per_second=plan.prediction.calculated_tokens_per_second,
            versions=versions(),
        )

        def fill(folder: Path) -> RunRecord:
            return record.model_copy(update={"data_fingerprint": write_split(folder, resolved, self._examples)})

        self._store.create(resolved, fill)
        self._queue.add(resolved.name)
        return self.get(resolved.name)

    def runs(self) -> list[TrainingRun]:
        """Newest first."""
        return [self._run(folder) for folder in self._store.all()]

    def get(self, name: str) -> TrainingRun:
        """Raises NotFound."""
        return self._run(self._store.find(name))

    def metrics(self, name: str, after_line: int = 0) -> tuple[list[dict[str, Any]], int]:
        """(lines of the metrics' file behind the first so many, how many there are). Raises NotFound.

        A resumed run cuts off what its checkpoint does not know; whoever has more lines than there are gets them all.
        """
        return self._store.find(name).metrics.lines(after_line)

    def log(self, name: str) -> str:
        """What the training process wrote for people; of a very long one the end. Raises NotFound."""
        return self._store.find(name).log

    def recipe_text(self, name: str) -> str:
        """The file that makes the same run again. Raises NotFound."""
        return self._store.find(name).recipe_text

    def stop(self, name: str, *, at_once: bool = False) -> TrainingRun:
        """Save a checkpoint after this step and end; `at_once` ends without. One that waits leaves the queue.

        The run stays `running` until it has saved. Any number of times. Raises NotFound.
        """
        folder = self._store.find(name)
        process = self._queue.process(folder.name)
        if process is not None and at_once:
            process.kill()
            process.wait(2.0)
        elif process is not None:
            process.stop()
        elif self._queue.remove(folder.name):
            folder.update({"state": "stopped", "ended": time.time()})
        return self._run(folder)

    def resume(self, name: str) -> TrainingRun:
        """Go on from the newest whole checkpoint, behind the run at work.

        Raises NotFound, BadRequest for a run that is done, Conflict where its result's name was taken meanwhile.
        """
        folder = self._store.find(name)
        run = self._run(folder)
        if run.record.state == "done":
            raise BadRequest(f"The run {name[:120]} is done, so there is nothing to resume.", field="name")
        if run.record.state not in UNFINISHED:
            self.models.find(run.recipe.model)
            self._publisher.check_free_for(folder)
            folder.update({"state": "queued", "error": "", "note": "", "ended": None})
            self._queue.add(folder.name)
        return self._run(folder)

    def delete(self, name: str) -> Deletion:
        """With its checkpoints; what was published of it stays. For a short while it can be restored.

        Raises Busy while it is at work or waits, NotFound.
        """
        with self._lock:
            folder = self._store.find(name)
            if self._run(folder).record.state in UNFINISHED:
                raise Busy(f"The run {folder.name} is at work or waits. Stop it first.")
            kept = self._publisher.place(folder)
            return Deletion(self._deleted.add(folder.name), kept)

    def restore(self, undo: str) -> TrainingRun:
        """What was deleted just now. Raises NotFound when it is gone, Conflict where its name is taken meanwhile."""
        return self.get(self._deleted.restore(undo))

    def wait(self, name: str, seconds: float) -> TrainingRun:
        """Until it has ended if it is at work, no longer than this. Raises NotFound."""
        folder = self._store.find(name)
        process = self._queue.process(folder.name)
        if process is not None:
            process.wait(seconds)
        return self._run(folder)

    def close(self) -> None:
        """Ends the run at work, with a checkpoint if that does not take long."""
        self._queue.close()
        self._deleted.close()
        self._planner.close()

    def _name_fault(self, recipe: Recipe) -> str:
        """Empty where the run and its result can have this name."""
        try:
            name = self._store.check_free(recipe.name).name
            self._publisher.check_free(recipe.model_copy(update={"name": name}))
        except (BadRequest, Conflict) as fault:
            return str(fault)
        return ""

    @contextmanager
    def _about_data(self, recipe: Recipe) -> Generator[None]:
        """The model is here: what is not found within is the data, whatever the field is called where they are kept."""
        self.models.find(recipe.model)
        try:
            yield
        except NotFound as error:
            raise NotFound(str(error), field="data") from error

    def _begin(self, name: str) -> TrainingProcess | None:
        try:
            folder = self._store.find(name)
        except NotFound:
            return None

        def take_end(ending: Ending) -> None:
            self._take_end(folder, ending)

        try:
            _, model = self.models.find(folder.recipe.model)
            folder.update({"state": "running", "started": folder.record.started or time.time()})
            return TrainingProcess(
                self._launcher, folder.path, model, take_end, threads=self._threads, module=self._worker
            )
        except (ParlorError, OSError) as error:
            with suppress(StorageError):
                folder.update({"state": "failed", "error": str(error), "ended": time.time()})
            return None

    def _take_end(self, folder: TrainingFolder, ending: Ending) -> None:
        try:
            process = self._queue.process(folder.name)
            changes = self._changes(folder, ending)
            if process is not None and process.total_steps:
                changes["total_steps"] = process.total_steps
            # A full disk keeps the record from being written; the run then counts as interrupted.
            with suppress(StorageError):
                folder.update(changes)
        finally:
            self._queue.ended(folder.name)
        with suppress(ParlorError):  # it may be deleted already
            self._planner.learn(self._run(folder))

    def _changes(self, folder: TrainingFolder, ending: Ending) -> dict[str, Any]:
        """What the record says of a stretch that has ended; a result is published first."""
        state: RunState = ending.state
        error, note = ending.error, ""
        if state == "done" or (state == "stopped" and folder.result.is_dir()):
            try:
                self._publisher.publish(folder, self._run(folder).mark if state == "stopped" else "")
            except ParlorError as fault:
                error = str(fault)
                state = "failed" if state == "done" else state
        if state == "stopped" and self._queue.is_closed:
            state, note = "interrupted", PROGRAM_ENDED
        return {"state": state, "error": error, "note": note, "ended": time.time()}

    def _run(self, folder: TrainingFolder) -> TrainingRun:
        record, recipe = folder.record, folder.recipe
        process, place = self._queue.process(folder.name), self._queue.place(folder.name)
        if process is not None:
            total = process.total_steps or record.total_steps
            record = record.model_copy(update={"state": "running", "note": process.note, "total_steps": total})
        elif place:
            record = record.model_copy(update={"state": "queued"})
        elif record.state in UNFINISHED:
            record = record.model_copy(update={"state": "interrupted"})
        summary = folder.metrics.summary
        newest = summary.metrics
        is_running = record.state == "running" and newest is not None and newest.step > 0
        kind = "model" if recipe.method == "full" else "adapter"
        return TrainingRun(
            record,
            recipe,
            summary,
            newest.seconds / newest.step * max(record.total_steps - newest.step, 0) if newest and is_running else None,
            kind if record.state not in UNFINISHED and self._publisher.is_published(folder) else "",
            place,
        )


def versions() -> dict[str, str]:
    """Of the packages that decide on the numbers, as far as they are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
