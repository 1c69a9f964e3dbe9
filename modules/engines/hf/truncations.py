"""Samplers that drop unlikely tokens or change how even the distribution is; each is None where its knobs are off.

Formulas are those of llama.cpp, so that one preset means the same on both engines; what it has not follows the source
that the knob names.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from modules.engines.hf.candidates import Candidates
from modules.types.sampling import SamplingParams

# What a sampler does to the candidates that follow these tokens.
Step = Callable[[Candidates, list[int]], None]
# A random number, 0..1.
Chance = Callable[[], float]

# No temperature below this: what it would choose is the likeliest token.
COLDEST = 1e-4


def top_n_sigma(knobs: SamplingParams) -> Step | None:
    def step(candidates: Candidates, _history: list[int]) -> None:
        candidates.extend()
        finite = candidates.logits[torch.isfinite(candidates.logits)]
        spread = float(finite.std(unbiased=False))
        candidates.keep_above(float(finite[0]) - knobs.top_n_sigma * spread)

    return step if knobs.top_n_sigma > 0 else None


def top_k(knobs: SamplingParams) -> Step | None:
    return (lambda candidates, _: candidates.keep_first(knobs.top_k)) if knobs.top_k > 0 else None


def typical(knobs: SamplingParams) -> Step | None:
    return (lambda candidates, _: candidates.keep_typical(knobs.typical_p)) if knobs.typical_p < 1 else None


def tail_free(knobs: SamplingParams) -> Step | None:
    return (lambda candidates, _: candidates.keep_head(knobs.tfs)) if knobs.tfs < 1 else None


def top_a(knobs: SamplingParams) -> Step | None:
    def step(candidates: Candidates, _history: list[int]) -> None:
        candidates.keep_probable(knobs.top_a * float(candidates.probabilities()[0]) ** 2)

    return step if knobs.top_a > 0 else None


def epsilon(knobs: SamplingParams) -> Step | None:
    least = knobs.epsilon_cutoff
    return (lambda candidates, _: candidates.keep_probable(least)) if least > 0 else None


def eta(knobs: SamplingParams) -> Step | None:
    def step(candidates: Candidates, _history: list[int]) -> None:
        unsure = math.sqrt(knobs.eta_cutoff) * math.exp(-candidates.entropy())
        candidates.keep_probable(min(knobs.eta_cutoff, unsure))

    return step if knobs.eta_cutoff > 0 else None


def top_p(knobs: SamplingParams) -> Step | None:
    return (lambda candidates, _: candidates.keep_share(knobs.top_p)) if knobs.top_p < 1 else None


def min_p(knobs: SamplingParams) -> Step | None:
    def step(candidates: Candidates, _history: list[int]) -> None:
        candidates.keep_above(float(candidates.logits[0]) + math.log(knobs.min_p))

    return step if knobs.min_p > 0 else None


def xtc(knobs: SamplingParams, chance: Chance) -> Step | None:
    def step(candidates: Candidates, _history: list[int]) -> None:
        if chance() < knobs.xtc_probability:
            candidates.drop_top_choices(knobs.xtc_threshold)

    return step if knobs.xtc_probability > 0 else None


def smoothing(knobs: SamplingParams) -> Step | None:
    square = (3 - knobs.smoothing_curve) / 2
    cube = (knobs.smoothing_curve - 1) / 2

    def bent(logits: Tensor) -> Tensor:
        below = logits - logits[0]
        return logits[0] + knobs.smoothing_factor * below**2 * (cube * below - square)

    return (lambda candidates, _: candidates.reshape(bent)) if knobs.smoothing_factor > 0 else None


def temperature(knobs: SamplingParams) -> Step | None:
    """With a range it moves with the entropy (dynamic temperature)."""

    def step(candidates: Candidates, _history: list[int]) -> None:
        low = max(0.0, knobs.temperature - knobs.dynatemp_range)
        high = knobs.temperature + knobs.dynatemp_range
        share = candidates.entropy_share() ** knobs.dynatemp_exponent if knobs.dynatemp_range > 0 else 0.0
        candidates.divide(max(low + (high - low) * share, COLDEST))

    if is_greedy(knobs):
        return lambda candidates, _: candidates.keep_first(1)
    return step if knobs.temperature != 1 or knobs.dynatemp_range > 0 else None


def is_greedy(knobs: SamplingParams) -> bool:
    return knobs.temperature < COLDEST and knobs.dynatemp_range == 0
