"""What makes a run fit into memory: done where a recipe leaves it open, offered where a person has decided."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.training.advice import Choices
from modules.types.recipes import Recipe

SHORTEST = 128

MemoryOf = Callable[[Recipe], int]


@dataclass(frozen=True)
class Measure:
    """Changes that take memory off; `reason` is said where they are made, `offer` where they are only offered."""

    changes: Mapping[str, Any] = field(hash=False)
    reason: str
    offer: str


def make_fit(choices: Choices, is_open: Callable[[str], bool], memory_of: MemoryOf, budget_bytes: int) -> None:
    """The mildest measures first, until it fits or no more are open. `is_open`: whether a field was left to us."""
    while memory_of(choices.recipe) > budget_bytes:
        helpful = lowering(choices.recipe, memory_of)
        measure = next((each for each in helpful if all(map(is_open, each.changes))), None)
        if measure is None:
            return
        for name, value in measure.changes.items():
            choices.change(name, value, measure.reason)


def remedies(recipe: Recipe, memory_of: MemoryOf, budget_bytes: int) -> list[str]:
    """Each that would make it fit, alone; where none does, all of them in turn as far as it takes."""
    helpful = list(lowering(recipe, memory_of))
    alone = [each.offer for each in helpful if memory_of(recipe.model_copy(update=each.changes)) <= budget_bytes]
    if alone:
        return [f"What would fit: {offer}." for offer in alone]
    offers: dict[tuple[str, ...], str] = {}
    changed = recipe
    while (measure := next(lowering(changed, memory_of), None)) is not None:
        changed = changed.model_copy(update=measure.changes)
        # A later offer for the same fields takes the place of an earlier one.
        offers[tuple(measure.changes)] = measure.offer
        if memory_of(changed) <= budget_bytes:
            return [f"What would fit, all together: {', '.join(offers.values())}."]
    return ["Take a smaller model, or a machine with more memory."]


def lowering(recipe: Recipe, memory_of: MemoryOf) -> Iterator[Measure]:
    """Those measures that help this recipe: a small model in nf4 takes less than the library that reads it."""
    now = memory_of(recipe)
    return (each for each in measures(recipe) if memory_of(recipe.model_copy(update=each.changes)) < now)


def measures(recipe: Recipe) -> Iterator[Measure]:
    """Those that are left, the mildest first."""
    if not recipe.gradient_checkpointing:
        yield Measure(
            {"gradient_checkpointing": True},
            "on: it would not fit into memory otherwise; it costs about a third of the speed.",
            "gradient_checkpointing on",
        )
    batch, accumulation = recipe.batch_size or 1, recipe.accumulation or 1
    if batch > 1:
        smaller = {"batch_size": batch // 2, "accumulation": accumulation * 2}
        yield Measure(
            smaller,
            f"{batch // 2} rows in a pass, {accumulation * 2} passes in a step: more would not fit into memory.",
            f"batch_size {batch // 2} with accumulation {accumulation * 2}",
        )
    if recipe.processes > 1 and recipe.processes // 2 % recipe.machines == 0:
        fewer = recipe.processes // 2
        yield Measure(
            {"processes": fewer, "accumulation": accumulation * 2},
            f"{fewer} processes, {accumulation * 2} passes in a step: more would not fit into memory.",
            f"processes {fewer} with accumulation {accumulation * 2}",
        )
    if recipe.max_length is not None and recipe.max_length // 2 >= SHORTEST:
        half = recipe.max_length // 2
        yield Measure({"max_length": half}, f"{half:,}: longer rows would not fit into memory.", f"max_length {half:,}")
    if recipe.method == "full":
        yield Measure(
            {"method": "lora"},
            "lora: full finetuning would not fit into memory.",
            "the method lora",
        )
    elif recipe.base_weights in {"bfloat16", "float32"}:
        yield Measure(
            {"base_weights": "nf4"},
            "nf4: the weights in 16 bits would not fit into memory; they are read a little less exactly.",
            "base_weights nf4",
        )
    if recipe.optimizer == "adamw" and recipe.method == "full":
        yield Measure(
            {"optimizer": "adafactor"},
            "adafactor: it keeps hardly anything beside the weights.",
            "the optimizer adafactor",
        )
