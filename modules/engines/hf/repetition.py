"""Samplers that look at what came before: penalties, DRY, and n-grams that shall not come twice."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from modules.engines.hf.breakers import Breakers
from modules.engines.hf.candidates import Candidates
from modules.engines.hf.truncations import Step
from modules.types.sampling import SamplingParams

# Far below any logit, and still a number: with nothing else left such a token can be chosen.
HARSHEST = 1e30
# DRY's power stops growing where float32 ends.
LARGEST_EXPONENT = 88.7228391

Tokens = NDArray[numpy.int64]


def penalties(knobs: SamplingParams, prompt: tuple[int, ...]) -> Step | None:
    """Repetition penalty (Keskar et al. 2019), presence and frequency (OpenAI's), and the prompt's tokens favoured."""
    counts = knobs.presence_penalty or knobs.frequency_penalty
    if knobs.repetition_penalty == 1 and knobs.encoder_repetition_penalty == 1 and not counts:
        return None
    prompt_tokens = torch.tensor(sorted(set(prompt)), dtype=torch.long)

    def step(candidates: Candidates, history: list[int]) -> None:
        times = Counter(latest(history, knobs.repetition_penalty_range))
        recent, counted = torch.tensor(list(times), dtype=torch.long), torch.tensor(list(times.values()))

        def change(logits: Tensor) -> Tensor:
            chosen = penalised(logits, knobs.repetition_penalty)
            return chosen - counted * knobs.frequency_penalty - knobs.presence_penalty

        if knobs.encoder_repetition_penalty != 1:
            candidates.change(prompt_tokens, lambda logits: penalised(logits, 1 / knobs.encoder_repetition_penalty))
        candidates.change(recent, change)

    return step


def dry(knobs: SamplingParams, breakers: Breakers) -> Step | None:
    """A token that would lengthen a run seen before pays exponentially in the run's length."""
    if not knobs.dry_multiplier or not knobs.dry_range:
        return None
    allowed, base = knobs.dry_allowed_length, knobs.dry_base
    longest = allowed + (int(LARGEST_EXPONENT / math.log(base)) if base > 1.000001 else 0)

    def step(candidates: Candidates, history: list[int]) -> None:
        recent = latest(history, knobs.dry_range)
        lengths = repeated_runs(recent, min(longest, breakers.run_limit(recent)), allowed)
        found = {token: length for token, length in lengths.items() if token not in breakers}
        if not found:
            return
        prices = [min(knobs.dry_multiplier * base ** (length - allowed), HARSHEST) for length in found.values()]
        tokens, price = torch.tensor(list(found)), torch.tensor(prices)
        candidates.change(tokens, lambda logits: logits - price)

    return step


def no_repeat_ngram(knobs: SamplingParams) -> Step | None:
    """Paulus et al. 2017. Where nothing else may follow, a repetition may."""
    size = knobs.no_repeat_ngram_size
    if not size:
        return None

    def step(candidates: Candidates, history: list[int]) -> None:
        # What stands before the text is like no token, and the first token follows it.
        found = dict(repetitions([-1, *history], size - 1)).get(size - 1)
        if found is None:
            return
        tokens = torch.as_tensor(found)
        if candidates.has_others(tokens):
            candidates.forbid(tokens)

    return step


def penalised(logits: Tensor, penalty: float) -> Tensor:
    return torch.where(logits > 0, logits / penalty, logits * penalty)


def latest(history: list[int], length: int) -> list[int]:
    """The last `length` tokens; all where it is negative."""
    return history if length < 0 else history[len(history) - min(length, len(history)) :]


def repeated_runs(recent: list[int], longest: int, shortest: int) -> dict[int, int]:
    """Each token that once followed what stands at the end, with the length of the longest such run."""
    lengths: dict[int, int] = {}
    for length, following in repetitions(recent, longest):
        if length >= shortest:
            lengths.update(dict.fromkeys(following.tolist(), length))
    return lengths


def repetitions(tokens: list[int], longest: int) -> Iterator[tuple[int, Tokens]]:
    """For each length from 0 to `longest`: what followed earlier on the same `length` tokens as stand at the end."""
    text = numpy.array(tokens, dtype=numpy.int64)
    ends = numpy.arange(len(tokens) - 1)
    for length in range(longest + 1):
        if length:
            ends = ends[ends >= length - 1]
            ends = ends[text[ends - (length - 1)] == text[-length]]
        if not len(ends):
            return
        yield length, text[ends + 1]
