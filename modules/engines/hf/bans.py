"""What is settled before any sampler: processors, biases, and which tokens may not follow at all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from modules.engines.hf.candidates import IMPOSSIBLE, Candidates, Head
from modules.engines.hf.constraints import Matcher
from modules.engines.hf.phrases import PhraseBan
from modules.engines.hf.processors import LogitsStep
from modules.errors import EngineError
from modules.types.sampling import SamplingParams


class Bans:
    def __init__(
        self,
        knobs: SamplingParams,
        end_tokens: Sequence[int],
        phrases: PhraseBan | None,
        matcher: Matcher | None,
        processors: Sequence[LogitsStep],
    ) -> None:
        bias = knobs.logit_bias or {}
        self._biased = torch.tensor([int(token) for token in bias], dtype=torch.long)
        self._bias = torch.tensor(list(bias.values()), dtype=torch.float32)
        banned = [*knobs.banned_tokens, *(end_tokens if knobs.ignore_eos else ())]
        self._banned = torch.tensor(banned, dtype=torch.long)
        self._phrases = phrases
        self._matcher = matcher
        self._processors = processors
        self.are_any = bool(bias or banned or phrases or matcher or processors)

    def applied(self, logits: Tensor, history: list[int], head: Head | None) -> Candidates:
        """What is left of logits [vocabulary] on any device, which stay as they are; `head` is theirs, if it is known.

        Raises EngineError when nothing may follow.
        """
        candidates = Candidates(logits, head) if self._are_few else Candidates(self._settled(logits.cpu(), history))
        if len(self._biased):
            candidates.change(self._biased, lambda before: before + self._bias)
        forbidden = self._banned
        if self._phrases is not None:
            forbidden = torch.cat((forbidden, torch.tensor(list(self._phrases.forbidden(history)), dtype=torch.long)))
        if len(forbidden):
            candidates.forbid(forbidden)
        if float(candidates.logits[0]) == IMPOSSIBLE:
            raise EngineError("No token is left that bans and the constraint allow to follow; lift some of them.")
        return candidates

    @property
    def _are_few(self) -> bool:
        """Whether they concern single tokens, not the vocabulary as a whole."""
        return self._matcher is None and not self._processors

    def _settled(self, logits: Tensor, history: list[int]) -> Tensor:
        """What processors make of logits on the CPU, and a constraint leaves of them."""
        logits = logits.clone()
        for processor in self._processors:
            logits = processor(history, logits)
        if self._matcher is not None:
            logits[~self._matcher.allowed()] = IMPOSSIBLE
        return logits
