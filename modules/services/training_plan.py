"""A recipe becomes a plan: what is open is chosen with reasons, what it takes predicted, what cannot be is refused."""

import threading
from collections.abc import Callable
from pathlib import Path

from modules.children import Launcher
from modules.library.folders import tensor_shapes
from modules.paths import Paths
from modules.services.plan_draft import PlanDraft, Subject
from modules.services.sample_snapshots import Examples, SampleSnapshots, Snapshot
from modules.services.training_prediction import TrainingPredictions
from modules.storage.model_runs import ModelRunStore
from modules.training.examination import Look, SampleExaminer
from modules.training.layers import Anatomy, anatomy_of
from modules.training.work import ordering_of
from modules.types.local_model import LocalModel
from modules.types.machine import ComputeRates, Machine
from modules.types.recipes import Recipe
from modules.types.training import Examination, LensSample, TrainingPlan, TrainingRun

EXAMINATIONS_KEPT = 8

FindModel = Callable[[str], tuple[LocalModel, Path]]


class TrainingPlanner:
    """Any thread may call. Samples are read anew for each plan; what was found out of the same ones is remembered."""

    def __init__(
        self,
        paths: Paths,
        find: FindModel,
        examples: Examples,
        launcher: Launcher,
        *,
        machine: Callable[[], Machine],
        runs: ModelRunStore,
        threads: int = 0,
        chat_template: Callable[[str], str] = lambda _model: "",
    ) -> None:
        """`find` gives a model that can be trained, with its folder; `examples` reads a source's sound samples.

        `threads` are what a training computes on; 0: all cores. `chat_template` names the one that a model is loaded
        with instead of its own, empty where it is not.
        """
        self._chat_template = chat_template
        self._threads = threads
        self._training_folder = paths.training
        self._find = find
        self._machine = machine
        self._snapshots = SampleSnapshots(paths.planning, examples)
        self._examiner = SampleExaminer(launcher)
        self._predictions = TrainingPredictions(runs)
        self._lock = threading.Lock()
        self._examinations: dict[tuple[object, ...], Examination] = {}
        self._rates: dict[tuple[int, int], ComputeRates] = {}

    def plan(self, recipe: Recipe) -> TrainingPlan:
        """A plan's own recipe is planned as it is. Raises NotFound, and BadRequest where there is nothing to learn."""
        with self._lock:
            return self._draft(recipe).plan()

    def lens(self, recipe: Recipe, first: int = 0, count: int = 8) -> tuple[list[LensSample], int]:
        """(samples of the first epoch in the order in which they are learned, how many there are). Raises as `plan`."""
        with self._lock:
            draft = self._draft(recipe)
            planned = draft.plan().recipe
            looks = looks_of(draft, planned)
            folder, samples = draft.subject.folder, draft.subject.data.path
            return self._examiner.lens(folder, samples, planned, looks[first : first + count]), len(looks)

    def learn(self, run: TrainingRun) -> None:
        """Later predictions are corrected by what a run took that has ended."""
        self._predictions.learn(run)

    def close(self) -> None:
        self._examiner.close()
        self._snapshots.close()

    def _draft(self, recipe: Recipe) -> PlanDraft:
        model, folder = self._find(recipe.model)
        anatomy = anatomy_of(model.shape, tensor_shapes(folder))
        subject = Subject(
            anatomy,
            folder,
            self._snapshots.take(recipe.data),
            None if recipe.evaluation_data is None else self._snapshots.take(recipe.evaluation_data),
            self._rates_for(anatomy),
            self._machine(),
            self._training_folder,
            self._chat_template(recipe.model),
        )

        def examined(snapshot: Snapshot, recipe: Recipe) -> Examination:
            return self._examined(folder, snapshot, recipe)

        return PlanDraft(recipe, subject, self._predictions, examined)

    def _examined(self, folder: Path, snapshot: Snapshot, recipe: Recipe) -> Examination:
        """What was found without a limit holds with any that no sample reaches."""
        what = (folder, snapshot.fingerprint, recipe.objective, recipe.train_on)
        whole = self._examinations.get((*what, None, ""))
        if whole is not None and whole.facts.longest <= (recipe.max_length or whole.facts.longest):
            return whole
        key = (*what, recipe.max_length, recipe.too_long if recipe.max_length else "")
        if key not in self._examinations:
            self._examinations[key] = self._examiner.facts(folder, snapshot.path, recipe)
            while len(self._examinations) > EXAMINATIONS_KEPT:
                self._examinations.pop(next(iter(self._examinations)))
        return self._examinations[key]

    def _rates_for(self, anatomy: Anatomy) -> ComputeRates:
        """Measured once for each size of layers."""
        inputs = anatomy.shape.embedding_length or 1024
        size = inputs, anatomy.shape.feed_forward_length or 4 * inputs
        if size not in self._rates:
            self._rates[size] = self._examiner.rates(*size, self._threads)
        return self._rates[size]


def looks_of(draft: PlanDraft, recipe: Recipe) -> list[Look]:
    """Where the samples lie that the run learns, in the order of the first epoch."""
    examination, held_out = draft.examination(recipe), draft.subject.held_out(recipe)
    parts: dict[int, int] = {}
    places: list[tuple[int, int]] = []
    for line in examination.lines:
        parts[line] = parts.get(line, -1) + 1
        if line not in held_out:
            places.append((line, parts[line]))
    lengths = draft.samples(recipe)[0].lengths
    looks: list[Look] = []
    passes = [chosen for step in ordering_of(recipe, lengths).epoch(0) for chosen in step]
    for number, chosen in enumerate(passes):
        width = 0 if recipe.packing else max(lengths[place] for place in chosen)
        looks += [(*places[place], number, width) for place in chosen]
    return looks
