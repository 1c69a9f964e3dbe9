"""Which of a hub model's choices suits this machine, told before anything is downloaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modules.engines.protocol import EngineKind
from modules.engines.registry import engine_for
from modules.errors import ParlorError
from modules.services.hub import as_local_model
from modules.types.estimates import Estimate
from modules.types.hub import HubChoice, HubModel
from modules.types.local_model import LocalModel

Estimating = Callable[[LocalModel, EngineKind, Mapping[str, Any]], Estimate]

# About as fast as people read; what writes slower is not what a newcomer should get.
READING_TOKENS_PER_SECOND = 8.0
# Twice the size of Q8_0 without a difference that anyone would notice.
UNQUANTIZED = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Judged:
    """`estimate` is None where nothing can be said."""

    choice: HubChoice
    estimate: Estimate | None


@dataclass(frozen=True)
class Recommendation:
    """`place` is the choice's place in the list; `reason` is a sentence."""

    place: int
    reason: str


def judge(estimate: Estimating, model: HubModel, context_length: int) -> tuple[Judged, ...]:
    """Every choice of the model, as it would be loaded with this many tokens of context."""

    def judged(choice: HubChoice) -> Judged:
        if choice.problem:
            return Judged(choice, None)
        try:
            kind = engine_for(choice.format)
            return Judged(choice, estimate(as_local_model(model, choice), kind, {"context_length": context_length}))
        except ParlorError:
            return Judged(choice, None)

    return tuple(judged(choice) for choice in model.choices)


def recommend(judged: Sequence[Judged]) -> Recommendation | None:
    """The largest that fits well; None where none fits, or nothing is known, or there is nothing to choose from."""
    fitting = [
        (one.choice.size_bytes, place, one.estimate)
        for place, one in enumerate(judged)
        if one.estimate is not None and one.estimate.fit != "no"
    ]
    if len(judged) < 2 or not fitting:
        return None
    quantized = [one for one in fitting if judged[one[1]].choice.quantization.upper() not in UNQUANTIZED] or fitting
    on_gpu = [one for one in quantized if one[2].fit == "gpu"]
    if on_gpu:
        return Recommendation(max(on_gpu)[1], "The largest that fits the graphics card's memory.")
    well = [one for one in quantized if fits_well(one[2])]
    if well:
        return Recommendation(max(well)[1], "The largest that fits the free memory and is not slow.")
    return Recommendation(min(quantized)[1], "The smallest, so the fastest: larger ones would be slow on this machine.")


def fits_well(estimate: Estimate) -> bool:
    speed = estimate.tokens_per_second
    is_fast = speed is None or speed.value >= READING_TOKENS_PER_SECOND
    return is_fast and estimate.memory.high <= estimate.free_bytes
