"""One request inside the engine: its tokens, how far they are computed, and what its reader is told."""

import threading
import time
from dataclasses import dataclass
from threading import Event as Flag
from typing import Self

import torch
from torch import Tensor

from modules.engines.hf.adapters import NO_ADAPTERS, Mix
from modules.engines.hf.candidates import Head, Likeliest, heads_of
from modules.engines.hf.detokenizer import Detokenizer
from modules.engines.hf.drafts import Draft
from modules.engines.hf.guidance import is_guided, negative_tokens
from modules.engines.hf.sampling import sampler_of
from modules.engines.hf.vocabulary import Vocabulary
from modules.engines.protocol import Emit
from modules.errors import ContextOverflow, EngineError
from modules.types.generation import (
    Distribution,
    Finished,
    FinishReason,
    GenerationRequest,
    Progress,
    PromptLogprobs,
    SamplerStep,
    TextDelta,
    TokenLogprob,
    Usage,
)

# Tokens guessed at once, to begin with.
SHORTEST_DRAFT = 2

# Why a request ends: it is done, or its next token cannot be chosen.
Ending = FinishReason | EngineError | None


@dataclass(eq=False)
class Track:
    """What one row of the batch holds: tokens, of which the first `computed` have their keys and values there.

    `mix` is what the row is computed with, `cached` how much a past request had computed. `offset` places of the row
    come before the tokens: an adapter's vectors. `ahead` are the logits [1, vocabulary] behind what was read last.
    """

    tokens: list[int]
    prompt_tokens: int
    mix: Mix = NO_ADAPTERS
    computed: int = 0
    cached: int = 0
    offset: int = 0
    ahead: Tensor | None = None

    @classmethod
    def of(cls, prompt: tuple[int, ...]) -> Self:
        return cls(list(prompt), len(prompt))

    @property
    def unread(self) -> int:
        """Prompt tokens still to be computed."""
        return self.prompt_tokens - self.computed

    @property
    def held(self) -> int:
        """Places of the row that are filled; the next token's is behind them."""
        return self.offset + self.computed


class Sequence:
    """Made and awaited on the request's thread; everything else happens on the scheduler's.

    Its first track holds the prompt and what was written since. A guided request has a second one, which holds the
    negative prompt and the same written tokens.
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
        self.main = Track.of(request.prompt_tokens)
        negative = [Track.of(negative_tokens(request, vocabulary))] if is_guided(request) else []
        self.tracks = [self.main, *negative]
        self.cancelled = cancelled
        # Which loaded adapters these are is known once the scheduler begins.
        self.adapters = request.adapters
        self._emit = emit
        self._vocabulary = vocabulary
        self._request = request
        self._sampler = sampler_of(request, vocabulary)
        self._draft = draft
        self._drafted = SHORTEST_DRAFT
        own = vocabulary.constraints.own_tokens(request.constraint)
        self._detokenizer = Detokenizer(
            vocabulary.tokenizer,
            request.prompt_tokens,
            skips_special=request.sampling.skip_special_tokens,
            shown={token: mark for mark, token in own.items()},
        )
        self._started = time.monotonic()
        self._first: float | None = None
        self._written = 0
        self._states: list[tuple[str, Likeliest]] = []
        self._finished: Finished | None = None
        self._ended = threading.Event()
        self._error: Exception | None = None

    @property
    def wants_prompt_logprobs(self) -> bool:
        return self._request.prompt_logprobs is not None

    def wait(self) -> None:
        """Until it has ended; then the reader is told so. Raises what it failed with."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        assert self._finished is not None
        if self._states:
            self._emit(self._distribution())
        self._emit(self._finished)

    def tell_progress(self) -> None:
        computed, prompts = (
            sum(numbers) for numbers in zip(*((t.computed, t.prompt_tokens) for t in self.tracks), strict=True)
        )
        self._emit(Progress("reading", computed / prompts))

    def tell_prompt_logprobs(self, start: int, logits: Tensor) -> None:
        """`logits` [read, vocabulary] stand behind the prompt's tokens from place `start` on."""
        count = self._request.prompt_logprobs
        assert count is not None
        tokens = self.main.tokens
        following = tokens[start + 1 : start + 1 + len(logits)]
        first = [TokenLogprob(self._vocabulary.choice(tokens[0], None))] if start == 0 else []
        told = [self._logprob(row, token, count) for row, token in zip(logits, following, strict=False)]
        self._emit(PromptLogprobs((*first, *told)))

    def begin(self, context_length: int) -> Ending:
        """With what was read: the first token, or all that is asked for. Returns why it ends, if it does."""
        ahead = [track.ahead for track in self.tracks if track.ahead is not None]
        if self._request.distribution is not None:
            return self._record_states([logits[0] for logits in ahead], self._request.distribution)
        if self._request.max_tokens == 0:
            return "length"
        return self.take(ahead, heads_of(ahead[0]), [], context_length)

    def proposed(self, context_length: int) -> list[int]:
        """Guesses of what comes next, no more than there is room for."""
        if self._draft is None:
            return []
        room = min(self._request.max_tokens - self._written, context_length - self._length) - 1
        limit = min(self._drafted, self._draft.longest, room)
        return self._draft.propose(self.main.tokens, limit) if limit > 0 else []

    def take(self, logits: list[Tensor], heads: list[Head], guesses: list[int], context_length: int) -> Ending:
        """Choose tokens for as long as they are the guessed ones, and one more; the reader is told.

        `logits` of each track, [guesses + 1 or more, vocabulary], follow the last token and each guess; `heads` are
        the first track's. Returns why it ends, if it does.
        """
        accepted = 0
        try:
            for place, guess in enumerate([*guesses, None]):
                token, ending = self._take_one([rows[place] for rows in logits], heads[place], context_length)
                if ending is not None:
                    return ending
                if token != guess:
                    break
                for track in self.tracks:
                    track.computed += 1
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
        self._finished = Finished(
            reason,
            Usage(self.main.prompt_tokens, self._written, self.main.cached),
            first_token_seconds=first - self._started,
            tokens_per_second=max(self._written - 1, 0) / seconds,
            context_length=context_length,
            notes=self._sampler.notes,
        )
        self._ended.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._ended.set()

    def check_length(self, context_length: int) -> None:
        """Raises ContextOverflow when an adapter's vectors leave no room for a reply."""
        if self.main.offset and self._length >= context_length:
            raise ContextOverflow(self._length, context_length)

    @property
    def _length(self) -> int:
        """Of the longest track."""
        return max(track.offset + len(track.tokens) for track in self.tracks)

    def _take_one(self, logits: list[Tensor], head: Head, context_length: int) -> tuple[int, Ending]:
        """`logits` [vocabulary] of each track."""
        token = self._sampler.choose(logits[0], self.main.tokens, head, negative_of(logits))
        self._first = self._first or time.monotonic()
        self._written += 1
        if token in self._vocabulary.end_tokens and not self._request.sampling.ignore_eos:
            return token, "stop"
        for track in self.tracks:
            track.tokens.append(token)
        text = self._detokenizer.feed(token)
        count = self._request.sampling.n_probs
        logprobs = (self._logprob(logits[0], token, count),) if count else ()
        if text or logprobs:
            self._emit(TextDelta(text, logprobs))
        return token, self._ending(context_length)

    def _ending(self, context_length: int) -> Ending:
        if self._sampler.is_complete:
            return "stop"
        if self._written >= self._request.max_tokens or self._length >= context_length:
            return "length"
        return "cancelled" if self.cancelled.is_set() else None

    def _adapt(self, accepted: int, guessed: int) -> None:
        """Long guesses cost time where they fail."""
        if accepted < guessed:
            self._drafted = max(SHORTEST_DRAFT, accepted + 1)
        elif guessed:
            self._drafted *= 2

    def _record_states(self, logits: list[Tensor], count: int) -> Ending:
        """They become a Distribution on the request's own thread: with a whole vocabulary that takes its time."""
        try:
            states = self._sampler.states(logits[0], self.main.tokens, negative_of(logits))
            self._states = [(name, candidates.likeliest(count)) for name, candidates in states]
        except EngineError as error:
            return error
        return "stop"

    def _distribution(self) -> Distribution:
        return Distribution(
            tuple(
                SamplerStep(name, likeliest.kept, self._vocabulary.choices(likeliest.ids, likeliest.logprobs))
                for name, likeliest in self._states
            )
        )

    def _logprob(self, logits: Tensor, token: int, count: int) -> TokenLogprob:
        """Of the model's own distribution, before any sampler, with the `count` likeliest tokens."""
        logprobs = torch.log_softmax(logits, 0)
        values, ids = torch.topk(logprobs, min(count, logprobs.numel()))
        choice = self._vocabulary.choice(token, float(logprobs[token]))
        return TokenLogprob(choice, self._vocabulary.choices(ids.cpu(), values.cpu()))


def negative_of(logits: list[Tensor]) -> Tensor | None:
    """Those of the second track, if there is one."""
    return logits[1] if len(logits) > 1 else None
