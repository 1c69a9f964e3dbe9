"""One request inside the engine: its tokens, how far they are computed, and what its reader is told."""

import threading
import time
from threading import Event as Flag

import torch
from torch import Tensor

from modules.engines.hf.adapters import NO_ADAPTERS
from modules.engines.hf.detokenizer import Detokenizer
from modules.engines.hf.sampling import Sampler
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import Emit
from modules.types.generation import (
    Finished,
    FinishReason,
    GenerationRequest,
    Progress,
    TextDelta,
    TokenLogprob,
    Usage,
)


class Sequence:
    """Made and awaited on the request's thread; everything else happens on the scheduler's.

    `tokens` are the prompt and what was written since; the first `computed` have their keys and values in the batch.
    """

    def __init__(self, request: GenerationRequest, emit: Emit, cancelled: Flag, vocabulary: Vocabulary) -> None:
        vocabulary.check(request.prompt_tokens)
        knobs = request.sampling
        breakers = vocabulary.breakers if knobs.dry_multiplier else frozenset[int]()
        self.tokens = list(request.prompt_tokens)
        self.computed = 0
        self.cached = 0
        self.cancelled = cancelled
        # Which loaded adapters these are is known once the scheduler begins.
        self.adapters = request.adapters
        self.mix = NO_ADAPTERS
        self._emit = emit
        self._vocabulary = vocabulary
        self._request = request
        self._prompt_tokens = len(self.tokens)
        self._sampler = Sampler(knobs, vocabulary.end_tokens, breakers)
        self._detokenizer = Detokenizer(vocabulary.tokenizer, request.prompt_tokens)
        self._started = time.monotonic()
        self._first: float | None = None
        self._written = 0
        self._ended = threading.Event()
        self._error: Exception | None = None

    @property
    def unread(self) -> int:
        """Prompt tokens still to be computed."""
        return self._prompt_tokens - self.computed

    def wait(self) -> None:
        """Until it has ended; raises what it failed with."""
        self._ended.wait()
        if self._error is not None:
            raise self._error

    def tell_progress(self) -> None:
        self._emit(Progress("reading", self.computed / self._prompt_tokens))

    def take(self, logits: Tensor, context_length: int) -> FinishReason | None:
        """Choose the next token and tell the reader; the reason when it is the last one."""
        token = self._sampler.choose(logits, self.tokens)
        self._first = self._first or time.monotonic()
        self._written += 1
        if token in self._vocabulary.end_tokens and not self._request.sampling.ignore_eos:
            return "stop"
        self.tokens.append(token)
        text = self._detokenizer.feed(token)
        logprobs = self._logprobs(logits, token)
        if text or logprobs:
            self._emit(TextDelta(text, logprobs))
        if self._written >= self._request.max_tokens or len(self.tokens) >= context_length:
            return "length"
        return "cancelled" if self.cancelled.is_set() else None

    def finish(self, reason: FinishReason, context_length: int) -> None:
        if rest := self._detokenizer.flush():
            self._emit(TextDelta(rest))
        first = self._first or time.monotonic()
        seconds = max(time.monotonic() - first, 1e-6)
        self._emit(
            Finished(
                reason,
                Usage(self._prompt_tokens, self._written, self.cached),
                first_token_seconds=first - self._started,
                tokens_per_second=max(self._written - 1, 0) / seconds,
                context_length=context_length,
            )
        )
        self._ended.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._ended.set()

    def _logprobs(self, logits: Tensor, token: int) -> tuple[TokenLogprob, ...]:
        """Of the model's own distribution, before any sampler."""
        count = self._request.sampling.n_probs
        if not count:
            return ()
        logprobs = torch.log_softmax(logits, 0)
        values, ids = torch.topk(logprobs, min(count, logprobs.numel()))
        choice = self._vocabulary.choice
        alternatives = tuple(choice(int(one), float(value)) for one, value in zip(ids, values, strict=True))
        return (TokenLogprob(choice(token, float(logprobs[token])), alternatives),)
