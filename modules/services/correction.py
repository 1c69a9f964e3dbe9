"""Predictions corrected by what past runs on this machine were, with an error band that narrows with evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from modules.types.estimates import Range
from modules.types.model_runs import ModelRun

# How much a run of the same model counts, of others with weights kept alike, of any other of the engine; and the
# arithmetic itself, as one who says that it is right.
SAME_MODEL, SAME_VARIANT, SAME_ENGINE, ARITHMETIC = 16, 4, 1, 2
# Of each model the newest count.
NEWEST = 5
MIB = 1024 * 1024


@dataclass(frozen=True)
class Band:
    """Errors as shares: without evidence, and at best. Three runs of the same model lead from one to the other.

    `floor` is an amount below which no error is worth a word.
    """

    widest: float
    narrowest: float
    floor: float = 0.0

    def error(self, evidence: float) -> float:
        step = (self.widest - self.narrowest) / 3
        return max(self.narrowest, self.widest - step * evidence / SAME_MODEL)


MEMORY = Band(0.10, 0.05, floor=20 * MIB)
SPEED = Band(0.30, 0.15)


def corrected(predicted: float, band: Band, runs: Iterable[ModelRun], model_id: str, variant: str) -> Range:
    """`runs` are of the same engine and figure, newest first."""
    weighed: list[tuple[float, int]] = [(1.0, ARITHMETIC)]
    seen: dict[str, int] = {}
    for run in runs:
        seen[run.model_id] = seen.get(run.model_id, 0) + 1
        if seen[run.model_id] <= NEWEST:
            weighed.append((run.ratio, weight_of(run, model_id, variant)))
    value = predicted * weighted_median(weighed)
    error = max(value * band.error(sum(weight for _, weight in weighed[1:])), band.floor)
    return Range(value, max(value - error, 0.0), value + error)


def weight_of(run: ModelRun, model_id: str, variant: str) -> int:
    if run.variant != variant:
        return SAME_ENGINE
    return SAME_MODEL if run.model_id == model_id else SAME_VARIANT


def weighted_median(weighed: Iterable[tuple[float, int]]) -> float:
    """Half of the weight lies on either side; the mean of two where it lies between them."""
    ordered = sorted(weighed)
    half = sum(weight for _, weight in ordered) / 2
    passed = 0.0
    for place, (value, weight) in enumerate(ordered):
        passed += weight
        if passed == half:
            return (value + ordered[place + 1][0]) / 2
        if passed > half:
            return value
    raise AssertionError("there is always the arithmetic's own")
