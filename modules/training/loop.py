"""The training itself: steps until the end, with evaluations, checkpoints and answers between them."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from modules.errors import TrainingError
from modules.training.checkpoints import Checkpoints, Progress, remove
from modules.training.collating import Batch, Collator
from modules.training.distributed import Group
from modules.training.encoding import SampleEncoder
from modules.training.evaluation import Evaluation
from modules.training.forward import Forward
from modules.training.memory import peak_bytes
from modules.training.optimizers import Optimization, learning_rate
from modules.training.ordering import Ordering, Step
from modules.training.probing import answer
from modules.training.telling import Listener
from modules.types.recipes import Recipe
from modules.types.training import CheckpointSaved, EvaluationMetrics, ProbeAnswer, ResultWritten, StepMetrics

RESULT = "result"
# Typed only in parts.
randomness: Any = torch.random


@dataclass(frozen=True)
class Task:
    """What a training works with. `source` is the model's folder, `folder` the run's; a packed row has `capacity`
    tokens; `stops` is asked at each step."""

    folder: Path
    source: Path
    recipe: Recipe
    encoder: SampleEncoder
    forward: Forward
    training: Collator
    evaluation: Evaluation | None
    capacity: int
    group: Group
    listener: Listener
    stops: Callable[[], bool]


@dataclass(frozen=True)
class Pass:
    """What a step came to, all processes together."""

    loss: float
    tokens: int
    trained_tokens: int
    wants_to_stop: bool


class Training:
    """Everything that is random follows from the recipe's seed and the step, so that nothing of it must be kept."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._recipe = task.recipe
        self._learner = task.forward.learner
        self._ordering = make_ordering(task)
        self._optimization = Optimization(task.recipe, self._learner)
        self._checkpoints = Checkpoints(task.folder / "checkpoints", task.recipe.keep_checkpoints)
        self._progress: Progress = Progress()
        self._counted = time.perf_counter()
        self._epoch: list[Step] = []
        steps_per_epoch = self._ordering.steps_per_epoch
        self.total_steps = task.recipe.steps or max(1, math.ceil((task.recipe.epochs or 1.0) * steps_per_epoch))

    def run(self) -> bool:
        """Whether it has come to its end, or was asked to stop before. `result` is whole either way. Raises
        TrainingError."""
        self._begin()
        while self._progress.step < self.total_steps and not self._is_hopeless:
            wants_to_stop = self._step()
            is_last = self._progress.step == self.total_steps
            is_better = self._is_due(self._recipe.evaluate_every, is_last) and self._evaluate()
            is_due = self._is_due(self._recipe.checkpoint_every, is_last or self._is_hopeless)
            # A better evaluation is saved at once, but answers take long: they are given at regular checkpoints.
            if is_due:
                self._answer_probes(self._progress.step)
            if is_due or wants_to_stop or (is_better and self._recipe.keep_best):
                self._save()
            if wants_to_stop and not is_last:
                self._task.listener.say(f"Stopped after step {self._progress.step:,}.")
                self._finish(is_stopped=True)
                return False
        self._finish()
        return True

    @property
    def step(self) -> int:
        return self._progress.step

    @property
    def _is_hopeless(self) -> bool:
        return 0 < self._recipe.patience <= self._progress.worse

    def _is_due(self, every: int | None, is_last: bool) -> bool:
        return is_last or (every is not None and self._progress.step % every == 0)

    def _begin(self) -> None:
        listener = self._task.listener
        found = self._checkpoints.newest(listener.say)
        if found is None:
            listener.begin(0)
            listener.say(f"Begins; {self.total_steps:,} steps, samples are {self._packing}.")
            self._evaluate()
            self._answer_probes(0)
        else:
            path = self._checkpoints.path(found.step)
            self._learner.load(path)
            self._optimization.load(path)
            self._progress = found
            listener.begin(found.step)
            listener.say(f"Goes on behind step {found.step:,} of {self.total_steps:,}.")
        listener.status("", self._progress.step, self.total_steps)

    @property
    def _packing(self) -> str:
        if not self._task.training.packed:
            return "not packed"
        return "packed, " + ("each computed by itself" if self._task.forward.packing == "within" else "under a mask")

    def _step(self) -> bool:
        """Whether someone wants to stop behind it."""
        started = time.perf_counter()
        number = self._progress.step + 1
        randomness.manual_seed(step_seed(self._recipe.seed, number, self._task.group.rank))
        self._learner.model.train()
        done = self._passes(self._samples_of(number))
        self._task.group.add(self._optimization.gradients)
        norm = self._optimization.gradient_norm()
        check_numbers(number, done.loss, norm)
        rate = learning_rate(self._recipe, number, self.total_steps)
        self._optimization.step(rate)
        seconds = time.perf_counter() - started
        before = self._progress
        self._progress = replace(
            before,
            step=number,
            tokens=before.tokens + done.tokens,
            trained_tokens=before.trained_tokens + done.trained_tokens,
            seconds=before.seconds + self._seconds_since(),
        )
        self._task.listener.metrics(
            StepMetrics(
                step=number,
                epoch=number / self._ordering.steps_per_epoch,
                loss=done.loss,
                learning_rate=rate,
                gradient_norm=norm,
                tokens=self._progress.tokens,
                trained_tokens=self._progress.trained_tokens,
                tokens_per_second=done.tokens / seconds,
                memory_bytes=peak_bytes(self._learner.device),
                seconds=self._progress.seconds,
            )
        )
        return done.wants_to_stop

    def _seconds_since(self) -> float:
        """Since this was asked last: what came between two steps is time of the run too."""
        now = time.perf_counter()
        seconds, self._counted = now - self._counted, now
        return seconds

    def _samples_of(self, step: int) -> Step:
        epoch, place = divmod(step - 1, self._ordering.steps_per_epoch)
        if place == 0 or not self._epoch:
            self._epoch = self._ordering.epoch(epoch)
        return self._epoch[place]

    def _passes(self, step: Step) -> Pass:
        """Gradients of the mean over all trained tokens of the step: a mean of the passes' means would weigh tokens of
        short passes more."""
        group = self._task.group
        batches = [self._task.training.batch(samples) for samples in step[group.rank :: group.size]]
        counts: Any = torch.tensor([*counted(batches), float(self._task.stops())], dtype=torch.float64)
        group.add([counts])
        tokens, trained_tokens, stops = (float(count) for count in counts)
        total = torch.zeros(1, dtype=torch.float64)
        for batch in batches:
            loss: Any = self._task.forward.summed_loss(batch) / trained_tokens
            loss.backward()
            total += loss.detach().double().cpu()
        group.add([total])
        return Pass(float(total), int(tokens), int(trained_tokens), stops > 0)

    def _evaluate(self) -> bool:
        """Whether it is better than all before it, the model as it was not counted: that is no result."""
        if self._task.evaluation is None:
            return False
        started = time.perf_counter()
        progress = self._progress
        self._task.listener.status("evaluating", progress.step, self.total_steps)
        loss = self._task.evaluation.mean_loss()
        check_numbers(progress.step, loss)
        is_best = progress.step > 0 and (progress.best_loss is None or loss < progress.best_loss)
        if is_best:
            self._progress = replace(progress, best_loss=loss, best_step=progress.step, worse=0)
        elif progress.step:
            self._progress = replace(progress, worse=progress.worse + 1)
        seconds = time.perf_counter() - started
        self._task.listener.metrics(EvaluationMetrics(step=progress.step, loss=loss, is_best=is_best, seconds=seconds))
        self._task.listener.status("", progress.step, self.total_steps)
        return is_best

    def _answer_probes(self, step: int) -> None:
        """With the weights of `step`, by the first process alone; the others wait at the next step."""
        recipe = self._recipe
        if not self._task.group.is_first:
            return
        for prompt in recipe.probes:
            self._task.listener.status("answering prompts", self._progress.step, self.total_steps)
            text = answer(self._learner, self._task.encoder, prompt, recipe.probe_tokens)
            self._task.listener.metrics(ProbeAnswer(step=step, prompt=prompt, text=text))
        self._task.listener.status("", self._progress.step, self.total_steps)

    def _save(self) -> None:
        if self._task.group.is_first:
            self._task.listener.status("saving a checkpoint", self._progress.step, self.total_steps)
            path = self._checkpoints.save(self._progress, self._write, self._size_bytes)
            self._task.listener.metrics(CheckpointSaved(step=self._progress.step, name=path.name))
            self._task.listener.status("", self._progress.step, self.total_steps)

    def _write(self, folder: Path) -> None:
        self._learner.save(folder)
        self._optimization.save(folder)

    @property
    def _size_bytes(self) -> int:
        return sum(weights.nbytes for weights in self._learner.learned.values()) + self._optimization.size_bytes

    def _finish(self, *, is_stopped: bool = False) -> None:
        """Put the result beside the checkpoints: the best one's weights, where they are wanted and there are some.

        Prompts are answered once more by what is kept, unless someone waits for the run to stop.
        """
        task, best = self._task, self._progress.best_step
        if not task.group.is_first:
            return
        step = self._progress.step
        if self._recipe.keep_best and best is not None and best != step and self._checkpoints.has(best):
            self._learner.load(self._checkpoints.path(best))
            step = best
            was_answered = best % (self._recipe.checkpoint_every or self.total_steps) == 0
            if not is_stopped and not was_answered:
                self._answer_probes(best)
        task.listener.status("writing the result", self._progress.step, self.total_steps)
        unfinished = task.folder / f"{RESULT}.unfinished"
        remove(unfinished)
        unfinished.mkdir()
        self._learner.save_result(unfinished, task.source)
        remove(task.folder / RESULT)
        unfinished.rename(task.folder / RESULT)
        task.listener.metrics(ResultWritten(step=step))
        task.listener.say(f"The result is the state after step {step:,}.")


def make_ordering(task: Task) -> Ordering:
    recipe = task.recipe
    rows, passes = recipe.batch_size or 1, (recipe.accumulation or 1) * task.group.size
    if task.training.packed and task.forward.packing == "masked":
        # A mask grows with the square of a row; several passes come to the same.
        rows, passes = 1, passes * rows
    return Ordering(
        task.training.lengths,
        recipe.seed,
        batch_size=rows,
        passes=passes,
        capacity=task.capacity if task.training.packed else None,
    )


def check_numbers(step: int, *numbers: float) -> None:
    if all(math.isfinite(number) for number in numbers):
        return
    if not step:
        raise TrainingError("The model foretells nothing: its loss is no number. Download it again.", cause="model")
    raise TrainingError(
        f"At step {step:,} the loss or its gradient is no number any more. What was saved before is whole. "
        "Begin again with a lower learning rate, or with base weights in float32."
    )


def counted(batches: list[Batch]) -> tuple[float, float]:
    """(tokens, trained tokens)"""
    return float(sum(batch.tokens for batch in batches)), float(sum(batch.trained_tokens for batch in batches))


def step_seed(seed: int, step: int, rank: int) -> int:
    """Different for every step and process, whatever they are."""
    return (seed * 1_000_003 + step) * 1_009 + rank
