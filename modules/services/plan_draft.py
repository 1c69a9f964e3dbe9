"""One recipe on its way to a plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest
from modules.services.sample_snapshots import Snapshot
from modules.services.training_prediction import TrainingPredictions, free_disk, free_memory
from modules.services.training_samples import held_out_rows
from modules.training import advice
from modules.training.advice import Choices, open_fields
from modules.training.fitting import make_fit, remedies
from modules.training.footprint import Footprint
from modules.training.layers import Anatomy
from modules.training.refusals import refusal_of
from modules.training.work import Samples, learned_and_judged, work_of
from modules.types.machine import ComputeRates, Machine
from modules.types.recipes import Recipe
from modules.types.training import Examination, Prediction, TrainingPlan

# Of the memory that is free, what is left to the system and other programs.
SPARE_SHARE = 0.05
TIGHT_SHARE = 0.8
FEW_SAMPLES = 20
LITTLE_SHARE = 0.02
GIB = 2**30

Examined = Callable[[Snapshot, Recipe], Examination]


@dataclass(frozen=True)
class Subject:
    """What a plan is made for: the model in `folder`, the samples as they are now, and this machine.

    `chat_template` names the one that the model is loaded with instead of its own, if it is.
    """

    anatomy: Anatomy
    folder: Path
    data: Snapshot
    judged_data: Snapshot | None
    rates: ComputeRates
    machine: Machine
    training_folder: Path
    chat_template: str = ""

    @property
    def free_bytes(self) -> int:
        """Of memory, where training computes."""
        return free_memory(self.machine, self.rates)

    def held_out(self, recipe: Recipe) -> frozenset[int]:
        """Lines of the data. Raises BadRequest where none would be left to learn."""
        if recipe.evaluation_data is not None:
            return frozenset()
        return held_out_rows(self.data.counts.samples, recipe.evaluation_share or 0.0, recipe.seed)


class PlanDraft:
    """`examined` looks at samples with the model's tokenizer, and remembers what it found."""

    def __init__(self, asked: Recipe, subject: Subject, predictions: TrainingPredictions, examined: Examined) -> None:
        self.subject = subject
        self._open = open_fields(asked)
        self._choices = Choices(asked)
        self._predictions = predictions
        self._examined = examined

    @property
    def recipe(self) -> Recipe:
        return self._choices.recipe

    def plan(self) -> TrainingPlan:
        """Raises BadRequest where there is nothing to learn or to judge by."""
        self._choose()
        refusal = refusal_of(self.recipe, self.subject.anatomy)
        if not refusal:
            make_fit(self._choices, self._open.__contains__, self._memory_of, self._budget_bytes)
        self._choose_watch()
        footprint = self._footprint(self.recipe)
        prediction = self._predictions.predict(footprint, self.subject.rates, self.subject.machine)
        helps: list[str] = []
        if not refusal:
            refusal, helps = self._shortage(prediction)
        facts = self.examination(self.recipe).facts
        return TrainingPlan(
            self.recipe,
            self._choices.reasons,
            facts,
            prediction,
            tuple(self._warnings(prediction)),
            refusal,
            tuple(helps),
            len(self.subject.held_out(self.recipe)),
        )

    def examination(self, recipe: Recipe) -> Examination:
        return self._examined(self.subject.data, recipe)

    def samples(self, recipe: Recipe) -> tuple[Samples, Samples]:
        """(what is learned, what it is judged by). Raises BadRequest where either is empty though it must not be."""
        examination = self.examination(recipe)
        learned, judged = learned_and_judged(examination, self.subject.held_out(recipe))
        if self.subject.judged_data is not None:
            judged, _ = learned_and_judged(self._examined(self.subject.judged_data, recipe), ())
        if not learned.lengths:
            row, reason = next(iter(examination.facts.dropped), (0, "All samples are held out."))
            raise BadRequest(f"No sample is left to learn from. Row {row}: {reason}", field="data")
        if not judged.lengths and (recipe.evaluation_data is not None or recipe.evaluation_share):
            raise BadRequest(*self._nothing_to_judge(recipe))
        return learned, judged

    def _nothing_to_judge(self, recipe: Recipe) -> tuple[str, str]:
        """(a sentence, the field that it is about)."""
        said = "No sample to judge by has anything to learn."
        if self.subject.judged_data is None:
            return f"{said} Set another evaluation_share, or 0 for no evaluation.", "evaluation_share"
        row, reason = self._examined(self.subject.judged_data, recipe).facts.dropped[0]
        return f"{said} Row {row} of evaluation_data: {reason}", "evaluation_data"

    def _choose(self) -> None:
        choices, anatomy, rows = self._choices, self.subject.anatomy, self.subject.data.counts
        advice.choose_task(choices, rows)
        whole = self.examination(choices.recipe)
        if not whole.lengths:
            self.samples(choices.recipe)
        advice.choose_rows(choices, anatomy, whole)
        check_share(choices.recipe, rows.samples)
        advice.choose_share(choices, rows.samples)
        learned, _ = self.samples(choices.recipe)
        advice.choose_adapter(choices, anatomy, len(learned.lengths))
        advice.choose_numbers(choices, self.subject.rates)
        advice.choose_pace(choices, anatomy, len(learned.lengths))

    def _choose_watch(self) -> None:
        footprint = self._footprint(self.recipe)
        work, speed = footprint.work, self._predictions.tokens_per_second(footprint, self.subject.rates)
        advice.choose_watch(
            self._choices, work.steps, work.real_tokens / speed / work.steps, footprint.checkpoint_seconds
        )

    def _footprint(self, recipe: Recipe) -> Footprint:
        learned, judged = self.samples(recipe)
        return Footprint(recipe, self.subject.anatomy, work_of(recipe, learned, judged))

    def _memory_of(self, recipe: Recipe) -> int:
        """Of a recipe that differs from the draft's: samples are taken as they would be cut, without looking again."""
        learned, judged = self.samples(self.recipe)
        work = work_of(recipe, learned.clipped(recipe.max_length or max(learned.lengths)), judged)
        return self._predictions.memory_bytes(Footprint(recipe, self.subject.anatomy, work)) * recipe.processes_here

    @property
    def _budget_bytes(self) -> int:
        return int(self.subject.free_bytes * (1 - SPARE_SHARE))

    def _shortage(self, prediction: Prediction) -> tuple[str, list[str]]:
        """(what there is too little of, what helps)."""
        needed, free = gib(prediction.memory_bytes), gib(prediction.available_bytes)
        if prediction.memory_bytes > self._budget_bytes:
            return (
                f"This run needs {needed} of memory, and {free} are free.",
                [
                    *remedies(self.recipe, self._memory_of, self._budget_bytes),
                    "Unload models, or close other programs.",
                ],
            )
        on_disk = free_disk(self.subject.training_folder)
        if prediction.disk_bytes > on_disk:
            return (
                f"Its checkpoints and result need {gib(prediction.disk_bytes)} of disk, and {gib(on_disk)} are free.",
                ["Free some disk space, keep fewer checkpoints (keep_checkpoints), or choose a smaller rank."],
            )
        return "", []

    def _warnings(self, prediction: Prediction) -> Iterator[str]:
        facts = self.examination(self.recipe).facts
        learned, _ = self.samples(self.recipe)
        if facts.dropped_count:
            row, reason = facts.dropped[0]
            yield f"{facts.dropped_count:,} samples are left out, the first in row {row:,}: {reason}"
        if facts.truncated_count:
            yield (
                f"{facts.truncated_count:,} samples are longer than {self.recipe.max_length:,} tokens and lose their "
                "end, the mark that ends an answer too."
            )
        if self.subject.chat_template and self.subject.data.counts.chats:
            yield (
                f"Chats with this model use the chat template {self.subject.chat_template}, but it is taught with its "
                "own: what it learns may not show. Take the other template out of its load options."
            )
        if len(learned.lengths) < FEW_SAMPLES:
            few = len(learned.lengths)
            what = "is only 1 sample" if few == 1 else f"are only {few} samples"
            yield f"There {what}: the model will memorise rather than learn from them. A hundred or more are better."
        if self.recipe.patience and self.recipe.evaluation_data is None and not self.recipe.evaluation_share:
            yield (
                "It will not end early, for patience counts evaluations and there are none: no sample is held out. "
                "Set an evaluation_share, or name evaluation_data."
            )
        if facts.trained_tokens < LITTLE_SHARE * facts.tokens:
            yield f"Only {facts.trained_tokens / facts.tokens:.1%} of the tokens are learned; the rest is only read."
        if self._budget_bytes >= prediction.memory_bytes > TIGHT_SHARE * self._budget_bytes:
            yield "It just fits into memory: unload models and close other programs while it runs."


def check_share(recipe: Recipe, rows: int) -> None:
    """Raises BadRequest where a share that a person has set holds out nothing."""
    share = recipe.evaluation_share
    if share and recipe.evaluation_data is None and not round(rows * share):
        raise BadRequest(
            f"An evaluation_share of {share:g} of {rows:,} samples holds out none to judge by. Set at least "
            f"{1 / rows:.2g}, or 0 for no evaluation, or name evaluation_data.",
            field="evaluation_share",
        )


def gib(count: int) -> str:
    return f"{count / GIB:,.1f} GiB"
