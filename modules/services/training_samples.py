"""A run's samples, written before it starts: what is learned, and what is held out to judge it by."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from modules.errors import BadRequest
from modules.storage.files import sync_file
from modules.storage.training_runs import EVALUATION, SAMPLES
from modules.training.samples import write_samples
from modules.types.datasets import DataSource, Example
from modules.types.recipes import Recipe

Examples = Callable[[DataSource], Iterator[Example]]


def write_split(folder: Path, recipe: Recipe, examples: Examples) -> str:
    """Both files, into a run's folder; the same recipe and data give the same ones. Returns the data's fingerprint.

    Whole samples are held out: `evaluation_share` of them, rounded, but at least one. Without evaluation the second
    file is empty. Raises BadRequest where nothing is left to learn or to judge by, and what `examples` raises.
    """
    samples, evaluation = folder / SAMPLES, folder / EVALUATION
    count = write_samples(samples, examples(recipe.data))
    if not count:
        raise BadRequest("There is not one sample to learn from. Check the data, and its columns.", field="data")
    fingerprint = fingerprint_of(samples)
    if recipe.evaluation_data is not None:
        if not write_samples(evaluation, examples(recipe.evaluation_data)):
            raise BadRequest(
                "There is not one sample to judge by. Check that data, or set evaluation_share instead.",
                field="evaluation_data",
            )
    else:
        hold_out(samples, evaluation, held_out_rows(count, recipe.evaluation_share or 0.0, recipe.seed))
    for path in (samples, evaluation):
        sync_file(path)
    return fingerprint


def held_out_rows(count: int, share: float, seed: int) -> frozenset[int]:
    """Places of the held-out among `count` samples. Raises BadRequest where no sample is left to learn."""
    if not share:
        return frozenset()
    held_out = max(round(count * share), 1)
    if held_out >= count:
        raise BadRequest(
            f"With an evaluation_share of {share:g}, {held_out} of {count} samples would be held out, which leaves "
            "none to learn. Set it to 0 for no evaluation, name evaluation_data, or add samples.",
            field="evaluation_share",
        )
    return frozenset(random.Random(seed).sample(range(count), held_out))


def hold_out(samples: Path, evaluation: Path, rows: frozenset[int]) -> None:
    """Moves these lines, in their order, from one file to the other."""
    whole = samples.with_name(samples.name + ".whole")
    samples.rename(whole)
    with whole.open("rb") as source, samples.open("wb") as learned, evaluation.open("wb") as judged:
        for place, line in enumerate(source):
            (judged if place in rows else learned).write(line)
    whole.unlink()


def fingerprint_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
