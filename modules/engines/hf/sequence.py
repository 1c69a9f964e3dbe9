"""One request inside the engine: its tokens, how far they are computed, and what its reader is told."""

import threading
import time
from threading import Event as Flag

import torch
from torch import Tensor

from modules.engines.hf.adapters import NO_ADAPTERS
from modules.engines.hf.candidates import Head
from modules.engines.hf.detokenizer import Detokenizer
from modules.engines.hf.drafts import Draft
from modules.engines.hf.processors import Processor
from modules.engines.hf.sampling import Sampler
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import Emit
from modules.errors import EngineError
from modules.types.generation import (
    Finished,
    FinishReason,
    GenerationRequest,
    Progress,
    PromptLogprobs,
    TextDelta,
    TokenLogprob,
    Usage,
)

# Tokens guessed at once.
SHORTEST_DRAFT = 2
LONGEST_DRAFT = 8

# Why a request ends: it is done, or its next token cannot be chosen.
Ending = FinishReason | EngineError | None


class Sequence:
    """Made and awaited on the request's thread; everything else happens on the scheduler's.

    `tokens` are the prompt and what was written since; the first `computed` have their keys and values in the batch.
    """

    def __init__(
        self,
        request: GenerationRequest,
        emit: Emit,
        cancelled: Flag,
        vocabulary: Vocabulary,
        draft: Draft | None = None,
    ) -> None:
        vocabulary.check(request.prompt_tokens)
        knobs = request.sampling
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
        self._sampler = Sampler(
            knobs,
            vocabulary.end_tokens,
            vocabulary.breakers if knobs.dry_multiplier else frozenset(),
            vocabulary.constraints.matcher(request.constraint) if request.constraint else None,
            [Processor(use) for use in request.processors],
        )
        self._draft = draft
        self._drafted = SHORTEST_DRAFT
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

    @property
    def wants_prompt_logprobs(self) -> bool:
        return self._request.prompt_logprobs is not None

    @property
    def wants_text(self) -> bool:
        """Otherwise all it asks for is known once its prompt is read."""
        return self._request.max_tokens > 0

    def wait(self) -> None:
        """Until it has ended; raises what it failed with."""
        self._ended.wait()
        if self._error is not None:
            raise self._error

    def tell_progress(self) -> None:
        self._emit(Progress("reading", self.computed / self._prompt_tokens))

    def tell_prompt_logprobs(self, start: int, logits: Tensor) -> None:
        """`logits` [read, vocabulary] stand behind the prompt's tokens from place `start` on."""
        count = self._request.prompt_logprobs
        assert count is not None
        following = self.tokens[start + 1 : start + 1 + len(logits)]
        first = [TokenLogprob(self._vocabulary.choice(self.tokens[0], None))] if start == 0 else []
        told = [self._logprob(row, token, count) for row, token in zip(logits, following, strict=False)]
        self._emit(PromptLogprobs((*first, *told)))

    def proposed(self, context_length: int) -> list[int]:
        """Guesses of what comes next, no more than there is room for."""
        if self._draft is None:
            return []
        room = min(self._request.max_tokens - self._written, context_length - len(self.tokens)) - 1
        limit = min(self._drafted, room)
        return self._draft.propose(self.tokens, limit) if limit > 0 else []

    def take(self, logits: Tensor, heads: list[Head], guesses: list[int], context_length: int) -> Ending:
        """Choose tokens for as long as they are the guessed ones, and one more; the reader is told.

        `logits` [guesses + 1 or more, vocabulary] follow the last token and each guess, `heads` are theirs. Returns
        why it ends, if it does.
        """
        accepted = 0
        try:
            for place, guess in enumerate([*guesses, None]):
                token, ending = self._take_one(logits[place], heads[place], context_length)
                if ending is not None:
                    return ending
                if token != guess:
                    break
                self.computed += 1
                accepted += 1
        except EngineError as error:
            return error
        self._adapt(accepted, len(guesses))
        return None

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

    def _take_one(self, logits: Tensor, head: Head, context_length: int) -> tuple[int, Ending]:
        token = self._sampler.choose(logits, self.tokens, head)
        self._first = self._first or time.monotonic()
        self._written += 1
        if token in self._vocabulary.end_tokens and not self._request.sampling.ignore_eos:
            return token, "stop"
        self.tokens.append(token)
        text = self._detokenizer.feed(token)
        count = self._request.sampling.n_probs
        logprobs = (self._logprob(logits, token, count),) if count else ()
        if text or logprobs:
            self._emit(TextDelta(text, logprobs))
        return token, self._ending(context_length)

    def _ending(self, context_length: int) -> Ending:
        if self._sampler.is_complete:
            return "stop"
        if self._written >= self._request.max_tokens or len(self.tokens) >= context_length:
            return "length"
        return "cancelled" if self.cancelled.is_set() else None

    def _adapt(self, accepted: int, guessed: int) -> None:
        """Long guesses cost time where they fail."""
        if accepted < guessed:
            self._drafted = max(SHORTEST_DRAFT, accepted + 1)
        elif guessed:
            self._drafted = min(2 * self._drafted, LONGEST_DRAFT)

    def _logprob(self, logits: Tensor, token: int, count: int) -> TokenLogprob:
        """Of the model's own distribution, before any sampler, with the `count` likeliest tokens."""
        logprobs = torch.log_softmax(logits, 0)
        values, ids = torch.topk(logprobs, min(count, logprobs.numel()))
        choice = self._vocabulary.choice
        alternatives = [choice(int(one), float(value)) for one, value in zip(ids.cpu(), values.cpu(), strict=True)]
        return TokenLogprob(choice(token, float(logprobs[token])), tuple(alternatives))
