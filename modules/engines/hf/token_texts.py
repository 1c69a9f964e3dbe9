"""What each token of a vocabulary adds to a text, and which tokens add a given one."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

# Behind every text that begins alike.
LAST = chr(0x10FFFF)


class TokenTexts:
    """`texts[id]` is a token's text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def containing(self, text: str) -> set[int]:
        return {token for token, own in enumerate(self.texts) if text in own}

    def starting_with(self, text: str) -> set[int]:
        return set(beginning(self._by_start, self._forwards, text))

    def ending_with(self, text: str) -> set[int]:
        return set(beginning(self._by_end, self._backwards, text[::-1]))

    @cached_property
    def _by_start(self) -> list[int]:
        return sorted(range(len(self.texts)), key=self._forwards)

    @cached_property
    def _by_end(self) -> list[int]:
        return sorted(range(len(self.texts)), key=self._backwards)

    def _forwards(self, token: int) -> str:
        return self.texts[token]

    def _backwards(self, token: int) -> str:
        return self.texts[token][::-1]


def beginning(ordered: list[int], text_of: Callable[[int], str], text: str) -> list[int]:
    """Those of the tokens, in the order of their texts, whose text begins so."""
    return ordered[bisect_left(ordered, text, key=text_of) : bisect_left(ordered, text + LAST, key=text_of)]


def read_texts(tokenizer: Any, *, special: bool, folded: bool) -> list[str]:
    """As they stand behind other text, where a space that begins a word shows; special tokens are empty on request."""

    def decoded(tokens: list[list[int]]) -> list[str]:
        return tokenizer.batch_decode(tokens, skip_special_tokens=not special, clean_up_tokenization_spaces=False)

    everything = range(len(tokenizer))
    before, start = next(
        ((token, text) for token in everything if (text := decoded([[token]])[0]).strip().isalnum()), (0, "")
    )
    texts = [text[len(start) :] for text in decoded([[before, token] for token in everything])]
    return [text.casefold() for text in texts] if folded else texts
