"""What each token of a vocabulary adds to a text, and which tokens add a given one."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

# Behind every text that begins alike.
LAST = chr(0x10FFFF)


class TokenTexts:
    """`texts[id]` is a token's text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self._forwards = sorted((text, token) for token, text in enumerate(texts))
        self._backwards = sorted((text[::-1], token) for token, text in enumerate(texts))

    def containing(self, text: str) -> set[int]:
        return {token for token, own in enumerate(self.texts) if text in own}

    def starting_with(self, text: str) -> set[int]:
        return beginning(self._forwards, text)

    def ending_with(self, text: str) -> set[int]:
        return beginning(self._backwards, text[::-1])


def beginning(ordered: list[tuple[str, int]], text: str) -> set[int]:
    first, last = bisect_left(ordered, (text,)), bisect_left(ordered, (text + LAST,))
    return {token for _, token in ordered[first:last]}


def read_texts(tokenizer: Any, *, special: bool, folded: bool) -> list[str]:
    """As they stand behind other text, where a space that begins a word shows; special tokens are empty on request."""

    def decoded(tokens: list[list[int]]) -> list[str]:
        return tokenizer.batch_decode(tokens, skip_special_tokens=not special, clean_up_tokenization_spaces=False)

    everything = range(len(tokenizer))
    alone = decoded([[token] for token in everything])
    before = next((token for token in everything if alone[token].strip().isalnum()), 0)
    texts = [text[len(alone[before]) :] for text in decoded([[before, token] for token in everything])]
    return [text.casefold() for text in texts] if folded else texts
