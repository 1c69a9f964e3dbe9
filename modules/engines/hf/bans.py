"""What is settled before any sampler: processors, biases, and which tokens may not follow at all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from modules.engines.hf.candidates import IMPOSSIBLE
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

    def applied(self, logits: Tensor, history: list[int]) -> Tensor:
        """A copy of logits [vocabulary] on the CPU. Raises EngineError when nothing may follow."""
        logits = logits.clone()
        for processor in self._processors:
            logits = processor(history, logits)
        logits.index_add_(0, self._biased, self._bias)
        logits[self._banned] = IMPOSSIBLE
        if self._phrases is not None:
            forbidden = torch.tensor(list(self._phrases.forbidden(history)), dtype=torch.long)
            logits[forbidden] = IMPOSSIBLE
        if self._matcher is not None:
            logits[~self._matcher.allowed()] = IMPOSSIBLE
        if float(logits.max()) == IMPOSSIBLE:
            raise EngineError("No token is left that bans and the constraint allow to follow; lift some of them.")
        return logits
