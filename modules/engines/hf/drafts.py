"""Speculation: cheap guesses of what comes next, checked by the model several at once.

A guess is kept only where the request's own sampler chooses that very token, so the text and its random draws are those
of plain decoding (Leviathan et al. 2023 accept more often when sampling, at the price of other draws).
"""

from typing import Any, Protocol

from modules.engines.hf.batch import Batch, RowBatch, is_regular
from modules.errors import ModelError

# The n-grams looked for, in tokens: the longest first.
MATCHES = (3, 2)
# Prompt tokens that a draft model reads in one turn, so that it never keeps the others waiting for long.
CATCH_UP = 256
# Tokens guessed at once, where a request does not say.
LONGEST = 8


class Draft(Protocol):
    """Guesses for one request, at most `longest` tokens; it follows the request's tokens, which grow at their end."""

    longest: int

    def propose(self, tokens: list[int], limit: int) -> list[int]:
        """Up to `limit` tokens that may follow."""
        ...


class Drafter(Protocol):
    """`follow` begins the guesses of one request."""

    def follow(self) -> Draft: ...


class PromptLookup:
    """What followed the last time when the newest tokens stood in the text (Saxena 2023)."""

    def follow(self) -> Draft:
        return LookupDraft()


class LookupDraft:
    """Remembers where each n-gram stood last, so that a step costs the same at any length."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = longest
        self._follows: dict[tuple[int, ...], int] = {}
        self._known = 0

    def propose(self, tokens: list[int], limit: int) -> list[int]:
        """The newest n-grams are not remembered yet: they would only find themselves."""
        for end in range(self._known, len(tokens) - 1):
            for length in MATCHES:
                if end + 1 >= length:
                    self._follows[tuple(tokens[end + 1 - length : end + 1])] = end + 1
        self._known = max(self._known, len(tokens) - 1)
        for length in MATCHES:
            place = self._follows.get(tuple(tokens[-length:]))
            if place is not None:
                return repeated(tokens, place, limit)
        return []


def repeated(tokens: list[int], place: int, count: int) -> list[int]:
    """`count` tokens from `place` on; what ends sooner goes on with itself, as in LZ77."""
    period = len(tokens) - place
    return [tokens[place + step % period] for step in range(count)]


class DraftModel:
    """A smaller model with the same tokens."""

    def __init__(self, model: Any, tokenizer: Any, own_tokenizer: Any) -> None:
        """Raises ModelError when the tokens differ."""
        if tokenizer.get_vocab() != own_tokenizer.get_vocab():
            raise ModelError("The draft model has other tokens than the model. Choose one of the same family.")
        if not is_regular(model):
            raise ModelError("The draft model is of a kind that cannot take back what it has read. Choose another.")
        self._model = model

    def follow(self) -> Draft:
        return ModelDraft(RowBatch(self._model, 1))


class ModelDraft:
    longest = LONGEST

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._read: list[int] = []

    def propose(self, tokens: list[int], limit: int) -> list[int]:
        """Nothing while it still reads what the request began with."""
        shared = self._shared(tokens)
        unread = tokens[shared : shared + CATCH_UP]
        logits = self._batch.read(0, unread, shared)
        self._read = tokens[: shared + len(unread)]
        if len(self._read) < len(tokens):
            return []
        guesses = [int(logits[-1].argmax())]
        while len(guesses) < limit:
            logits = self._batch.read(0, guesses[-1:], len(self._read))
            self._read.append(guesses[-1])
            guesses.append(int(logits[-1].argmax()))
        return guesses

    def _shared(self, tokens: list[int]) -> int:
        """How much of what was read still holds; the last token is always read again, for its logits."""
        length = min(len(self._read), len(tokens) - 1)
        while self._read[:length] != tokens[:length]:
            length -= 1
        return length
