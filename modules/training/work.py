"""How much a run computes: steps, passes and tokens, counted from the lengths of its samples."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from modules.training.ordering import Ordering
from modules.types.recipes import Recipe
from modules.types.training import Examination

# Attention of samples up to here is computed by plain products on a CPU, where they are packed.
SHORT = 256


@dataclass(frozen=True)
class Samples:
    """An entry for each encoded sample: its tokens, and those of them that are learned."""

    lengths: tuple[int, ...] = ()
    trained: tuple[int, ...] = ()

    def clipped(self, length: int) -> "Samples":
        """As if each were cut at `length`; what is learned is taken to lie evenly in it."""
        return Samples(
            tuple(min(one, length) for one in self.lengths),
            tuple(
                min(trained, trained * length // max(whole, 1))
                for trained, whole in zip(self.trained, self.lengths, strict=True)
            ),
        )


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass: `tokens` with padding, `squares` of the samples' lengths, `trained` tokens.

    `kept_squares` are those of samples whose attention is kept as it is for the way back: packed and short ones.
    """

    samples: int = 0
    tokens: int = 0
    squares: int = 0
    kept_squares: int = 0
    trained: int = 0


@dataclass(frozen=True)
class Work:
    """Of a whole run, in one process. `real_tokens` are without padding; `epoch` lists the passes of the first epoch,
    which the others are like. `evaluated` is one evaluation as if it were one pass."""

    steps: int
    epochs: float
    real_tokens: int
    epoch: tuple[Pass, ...]
    evaluated: Pass
    evaluations: int

    @property
    def passes(self) -> float:
        return self.epochs * len(self.epoch)

    def summed(self) -> Pass:
        """Of one epoch."""
        return total(self.epoch)

    def largest(self) -> Pass:
        """As large as the largest of all passes in each respect."""
        return Pass(
            max(one.samples for one in self.epoch),
            max(one.tokens for one in self.epoch),
            max(one.squares for one in self.epoch),
            max(one.kept_squares for one in self.epoch),
            max(one.trained for one in self.epoch),
        )


def work_of(recipe: Recipe, learned: Samples, judged: Samples) -> Work:
    """`learned` is not empty. The recipe's rows and steps are chosen; those between evaluations may be open."""
    ordering = ordering_of(recipe, learned.lengths)
    steps = total_steps(recipe, ordering.steps_per_epoch)
    passes = tuple(
        pass_of(chosen, learned, padded=not recipe.packing, virtual=virtual_tokens(recipe))
        for step in ordering.epoch(0)
        for chosen in step
    )
    epochs = steps / ordering.steps_per_epoch
    every = recipe.evaluate_every or steps
    return Work(
        steps,
        epochs,
        round(epochs * sum(learned.lengths) / recipe.processes),
        passes,
        pass_of(range(len(judged.lengths)), judged, padded=False, virtual=virtual_tokens(recipe)),
        # The first one is before the run.
        steps // every + 1 if judged.lengths else 0,
    )


def ordering_of(recipe: Recipe, lengths: Sequence[int]) -> Ordering:
    assert recipe.batch_size is not None
    assert recipe.accumulation is not None
    return Ordering(
        lengths,
        recipe.seed,
        recipe.batch_size,
        recipe.accumulation * recipe.processes,
        recipe.max_length if recipe.packing else None,
    )


def total_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """`steps` where they are said, else as many as the epochs have."""
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.epochs is not None
    return max(1, math.ceil(recipe.epochs * steps_per_epoch))


def virtual_tokens(recipe: Recipe) -> int:
    """What prompt tuning puts in front of each sample."""
    return recipe.prompt_tokens or 0 if recipe.method == "prompt_tuning" else 0


def pass_of(chosen: Sequence[int], samples: Samples, *, padded: bool, virtual: int) -> Pass:
    lengths = [samples.lengths[place] + virtual for place in chosen]
    if padded:
        lengths = [max(lengths, default=0)] * len(lengths)
    return Pass(
        len(chosen),
        sum(lengths),
        sum(length * length for length in lengths),
        sum(length * length for length in lengths if length <= SHORT) if not padded else 0,
        sum(samples.trained[place] for place in chosen),
    )


def total(passes: Iterable[Pass]) -> Pass:
    listed = list(passes)
    return Pass(
        sum(one.samples for one in listed),
        sum(one.tokens for one in listed),
        sum(one.squares for one in listed),
        sum(one.kept_squares for one in listed),
        sum(one.trained for one in listed),
    )


def learned_and_judged(examination: Examination, held_out: Collection[int]) -> tuple[Samples, Samples]:
    """`held_out` are lines of the file."""
    parts: tuple[list[int], list[int]] = ([], [])
    for place, line in enumerate(examination.lines):
        parts[line in held_out].append(place)
    learned, judged = (
        Samples(
            tuple(examination.lengths[place] for place in part), tuple(examination.trained[place] for place in part)
        )
        for part in parts
    )
    return learned, judged
