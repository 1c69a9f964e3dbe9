"""From logits to the next token: each request with its own knobs, its own history and its own random draws."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from modules.engines.hf.candidates import Candidates, Head
from modules.engines.hf.constraints import Matcher
from modules.engines.hf.processors import Processor
from modules.errors import BadRequest, EngineError
from modules.types.sampling import SAMPLER_ORDER, SamplingParams

# No temperature below this: what it would choose is the likeliest token.
COLDEST = 1e-4
FORBIDDEN = -math.inf
MIROSTAT_CANDIDATES = 100


class Sampler:
    """`choose` takes the logits of one place and returns a token; `history` is the prompt and what was chosen since.

    The order of the samplers and their formulas are llama.cpp's, so that one preset means the same on both engines.
    """

    def __init__(
        self,
        knobs: SamplingParams,
        end_tokens: Sequence[int],
        breakers: frozenset[int] = frozenset(),
        matcher: Matcher | None = None,
        processors: Sequence[Processor] = (),
    ) -> None:
        if knobs.adaptive_target >= 0:
            raise BadRequest("The transformers engine does not know adaptive-p.", field="adaptive_target")
        self._knobs = knobs
        self._end_tokens = list(end_tokens)
        self._breakers = breakers
        self._matcher = matcher
        self._processors = processors
        self._random = torch.Generator()
        self._random.manual_seed(knobs.seed if knobs.seed is not None else self._random.seed() % 2**32)
        self._order: list[str] = list(knobs.samplers if knobs.samplers is not None else SAMPLER_ORDER)
        self._surprise = 2 * knobs.mirostat_tau
        self._bias = [(int(token), bias) for token, bias in (knobs.logit_bias or {}).items()]
        self._truncations: dict[str, Callable[[Candidates], None]] = {
            "top_n_sigma": self._top_n_sigma,
            "top_k": self._top_k,
            "typ_p": self._typical,
            "top_p": self._top_p,
            "min_p": self._min_p,
            "xtc": self._xtc,
            "temperature": self._temperature,
        }

    def choose(self, logits: Tensor, history: list[int], head: Head | None = None) -> int:
        """`logits` [vocabulary] in float32 are left as they are; `head` is theirs, where it is known already.

        Raises EngineError when they are no numbers, or when a constraint or a processor fails.
        """
        if self._adjusts:
            logits, head = self._adjusted(logits.cpu(), history), None
        token = self._chosen(Candidates(logits, head))
        if self._matcher is not None:
            self._matcher.accept(token)
        return token

    @property
    def is_complete(self) -> bool:
        """Whether a constraint lets nothing follow any more."""
        return self._matcher is not None and self._matcher.is_complete

    def _chosen(self, candidates: Candidates) -> int:
        if not math.isfinite(float(candidates.logits[0])):
            raise EngineError("The model computed numbers that are not finite, so there is no next token.")
        if self._knobs.temperature < COLDEST and not self._knobs.dynatemp_range:
            return int(candidates.ids[0])
        if self._knobs.mirostat:
            return self._mirostat(candidates)
        for name in self._order:
            if name in self._truncations:
                self._truncations[name](candidates)
        return candidates.draw(self._chance())

    @cached_property
    def _adjusts(self) -> bool:
        """Whether logits change before they are sorted."""
        knobs = self._knobs
        penalties = knobs.repetition_penalty != 1 or knobs.presence_penalty or knobs.frequency_penalty
        changes = self._bias or knobs.ignore_eos or penalties or knobs.dry_multiplier
        return bool(changes or self._matcher or self._processors)

    def _adjusted(self, logits: Tensor, history: list[int]) -> Tensor:
        """A copy with processors, bias, penalties and what a constraint forbids."""
        logits = logits.clone()
        for processor in self._processors:
            logits = processor(history, logits)
        size = logits.numel()
        for token, bias in self._bias:
            if token < size:
                logits[token] += bias
        if self._knobs.ignore_eos:
            logits[self._end_tokens] = FORBIDDEN
        if not self._knobs.mirostat:
            for name in self._order:
                if name == "penalties":
                    self._penalise(logits, history)
                elif name == "dry":
                    self._penalise_runs(logits, history)
        if self._matcher is not None:
            logits[~self._matcher.allowed()] = FORBIDDEN
        return logits

    def _recent(self, history: list[int]) -> list[int]:
        length = self._knobs.repetition_penalty_range
        if length == 0:
            return []
        return history if length < 0 else history[-length:]

    def _penalise(self, logits: Tensor, history: list[int]) -> None:
        """Repetition penalty (Keskar et al. 2019), presence and frequency (OpenAI's)."""
        knobs = self._knobs
        if knobs.repetition_penalty == 1 and not knobs.presence_penalty and not knobs.frequency_penalty:
            return
        times = Counter(self._recent(history))
        if not times:
            return
        tokens, counts = torch.tensor(list(times)), torch.tensor(list(times.values()))
        chosen = logits[tokens]
        chosen = torch.where(chosen > 0, chosen / knobs.repetition_penalty, chosen * knobs.repetition_penalty)
        logits[tokens] = chosen - counts * knobs.frequency_penalty - knobs.presence_penalty

    def _penalise_runs(self, logits: Tensor, history: list[int]) -> None:
        """DRY: a token that would lengthen a run seen before pays exponentially in the run's length."""
        knobs = self._knobs
        if not knobs.dry_multiplier:
            return
        for token, length in repeated_runs(self._recent(history), self._breakers).items():
            if length >= knobs.dry_allowed_length:
                # float32's largest number lies at about 1.75 ** 158.
                power = min(length - knobs.dry_allowed_length, int(88 / math.log(knobs.dry_base + 1e-6)))
                logits[token] -= knobs.dry_multiplier * knobs.dry_base**power

    def _top_n_sigma(self, candidates: Candidates) -> None:
        """Tang et al. 2024."""
        if self._knobs.top_n_sigma > 0:
            candidates.extend()
            finite = candidates.logits[torch.isfinite(candidates.logits)]
            spread = float(finite.std(unbiased=False)) if finite.numel() > 1 else 0.0
            candidates.keep_above(float(finite[0]) - self._knobs.top_n_sigma * spread)

    def _top_k(self, candidates: Candidates) -> None:
        if self._knobs.top_k > 0:
            candidates.keep_first(self._knobs.top_k)

    def _typical(self, candidates: Candidates) -> None:
        if self._knobs.typical_p < 1:
            candidates.keep_typical(self._knobs.typical_p)

    def _top_p(self, candidates: Candidates) -> None:
        """Holtzman et al. 2020."""
        if self._knobs.top_p < 1:
            candidates.keep_share(self._knobs.top_p)

    def _min_p(self, candidates: Candidates) -> None:
        """Nguyen et al. 2024."""
        if self._knobs.min_p > 0:
            candidates.keep_above(float(candidates.logits[0]) + math.log(self._knobs.min_p))

    def _xtc(self, candidates: Candidates) -> None:
        if self._knobs.xtc_probability > 0 and self._chance() < self._knobs.xtc_probability:
            candidates.drop_top_choices(self._knobs.xtc_threshold)

    def _temperature(self, candidates: Candidates) -> None:
        """With a range it moves with the entropy (dynamic temperature)."""
        knobs = self._knobs
        temperature = knobs.temperature
        if knobs.dynatemp_range > 0:
            low, high = max(0.0, temperature - knobs.dynatemp_range), temperature + knobs.dynatemp_range
            temperature = low + (high - low) * candidates.entropy_share() ** knobs.dynatemp_exponent
        candidates.divide(max(temperature, COLDEST))

    def _mirostat(self, candidates: Candidates) -> int:
        """Basu et al. 2021, version 2; version 1 first estimates how many tokens give the surprise wanted."""
        knobs = self._knobs
        candidates.divide(max(knobs.temperature, COLDEST))
        probabilities = candidates.probabilities()
        if knobs.mirostat == 1:
            candidates.keep_first(zipf_count(probabilities, self._surprise, candidates.vocabulary))
        else:
            total = float(candidates.logits[0] - torch.log(probabilities[0]))
            candidates.keep_above(total - self._surprise * math.log(2))
        token = candidates.draw(self._chance())
        kept = candidates.probabilities()
        chosen = float(kept[(candidates.ids == token).nonzero()[0, 0]])
        self._surprise -= knobs.mirostat_eta * (-math.log2(max(chosen, 1e-30)) - knobs.mirostat_tau)
        return token

    def _chance(self) -> float:
        return float(torch.rand((), generator=self._random))


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


def repeated_runs(recent: list[int], breakers: frozenset[int]) -> dict[int, int]:
    """For each token that once followed what stands at the end: the length of the longest such repetition.

    Runs do not reach across a breaker.
    """
    longest: dict[int, int] = {}
    if not recent or recent[-1] in breakers:
        return longest
    last = len(recent) - 1
    for place in range(last):
        length = 0
        while length <= place and recent[place - length] == recent[last - length] not in breakers:
            length += 1
        following = recent[place + 1]
        if length and following not in breakers:
            longest[following] = max(longest.get(following, 0), length)
    return longest
