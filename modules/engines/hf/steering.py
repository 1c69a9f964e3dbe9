"""Samplers with a memory: Mirostat and adaptive-p aim at how surprising the chosen tokens are on the whole.

Each is the last step before the draw, and is told what was drawn.
"""

import math
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from modules.engines.hf.candidates import Candidates
from modules.types.sampling import SamplingParams

MIROSTAT_CANDIDATES = 100
# Adaptive-p's constants, llama.cpp's: how wide the favoured probabilities are, and how steeply others fall.
FAVOURED_WIDTH = 0.3
PEAK_LOGIT = 5.0
SHARPNESS = 10.0


class Steering(Protocol):
    name: str

    def __call__(self, candidates: Candidates, history: list[int]) -> None: ...

    def learn(self, token: int) -> None:
        """That this token was drawn from the candidates it was last called with."""
        ...


def steering(knobs: SamplingParams) -> Steering | None:
    if knobs.mirostat:
        return Mirostat(knobs.mirostat, knobs.mirostat_tau, knobs.mirostat_eta)
    if knobs.adaptive_target >= 0:
        return AdaptiveP(knobs.adaptive_target, knobs.adaptive_decay)
    return None


class Offer(NamedTuple):
    """Tokens that may be drawn, [n], and their probabilities."""

    ids: Tensor
    probabilities: Tensor

    @classmethod
    def of(cls, candidates: Candidates) -> Self:
        candidates.extend()
        return cls(candidates.ids, candidates.probabilities())

    def probability(self, token: int) -> float:
        return float(self.probabilities[self.ids == token].sum())


class Mirostat:
    """Basu et al. 2021, version 2; version 1 first estimates how many tokens give the surprise wanted."""

    name = "mirostat"

    def __init__(self, version: int, target: float, rate: float) -> None:
        """`target` is in bits."""
        self._version = version
        self._target = target
        self._rate = rate
        self._bound = 2 * target
        self._offered: Offer | None = None

    def __call__(self, candidates: Candidates, history: list[int]) -> None:
        if self._version == 1:
            candidates.keep_first(zipf_count(candidates.probabilities(), self._bound, candidates.vocabulary))
        else:
            candidates.keep_probable(2**-self._bound)
        self._offered = Offer.of(candidates)

    def learn(self, token: int) -> None:
        assert self._offered is not None
        surprise = -math.log2(max(self._offered.probability(token), 1e-30))
        self._bound -= self._rate * (surprise - self._target)


class AdaptiveP:
    """Favours tokens whose probability is near a target that moves against what was chosen (llama.cpp's adaptive-p)."""

    name = "adaptive_p"

    def __init__(self, target: float, decay: float) -> None:
        self._target = target
        self._decay = decay
        # A weighted sum of past probabilities and of its weights, as if the target had been met for ever.
        self._sum = target / (1 - decay)
        self._weights = 1 / (1 - decay)
        self._offered: Offer | None = None

    def __call__(self, candidates: Candidates, history: list[int]) -> None:
        target = min(max(2 * self._target - self._sum / self._weights, 0.0), 1.0)

        def near_target(logits: Tensor) -> Tensor:
            distance = (torch.softmax(logits, 0) - target).abs() / FAVOURED_WIDTH
            return PEAK_LOGIT - SHARPNESS * distance**2 / (1 + distance)

        self._offered = Offer.of(candidates)
        candidates.reshape(near_target)

    def learn(self, token: int) -> None:
        assert self._offered is not None
        self._sum = self._offered.probability(token) + self._decay * self._sum
        self._weights = 1 + self._decay * self._weights


def zipf_count(probabilities: Tensor, surprise: float, vocabulary: int) -> int:
    """Mirostat 1: fits Zipf's law to the likeliest tokens and solves it for the number to keep."""
    top = probabilities[:MIROSTAT_CANDIDATES].double()
    if top.numel() < 2:
        return 1
    places = torch.arange(1, top.numel(), dtype=torch.float64)
    steps = torch.log((places + 1) / places)
    falls = torch.log(top[:-1] / top[1:].clamp_min(1e-30))
    exponent = max(float((steps * falls).sum() / (steps * steps).sum()), 1e-6)
    excess = exponent - 1
    if abs(excess) < 1e-9:
        return vocabulary
    count = (excess * 2**surprise / (1 - vocabulary**-excess)) ** (1 / exponent)
    return max(1, min(round(count), vocabulary))
