"""Banned phrases: the tokens that would complete one, however it is split into tokens."""

from collections.abc import Sequence

from modules.engines.hf.detokenizer import REPLACEMENT, Detokenizer
from modules.engines.hf.token_texts import TokenTexts


class PhraseBan:
    """Follows one reply; capitals and small letters are alike.

    Most tokens that complete a phrase are known by their texts. A token that is only a part of a character has no text
    of its own: those are tried where a character is being written.
    """

    def __init__(self, phrases: Sequence[str], texts: TokenTexts, detokenizer: Detokenizer, reply_start: int) -> None:
        """`texts` are casefolded; the reply begins at place `reply_start` of the history."""
        self._phrases = [phrase.casefold() for phrase in phrases]
        self._texts = texts
        self._whole = {token for phrase in self._phrases for token in texts.containing(phrase)}
        self._parts = texts.containing(REPLACEMENT)
        self._detokenizer = detokenizer
        self._known = reply_start
        self._longest = max(len(phrase) for phrase in self._phrases)
        # The reply's newest characters, as many as a phrase could begin with.
        self._tail = ""

    def forbidden(self, history: list[int]) -> set[int]:
        """The tokens that must not follow these."""
        for token in history[self._known :]:
            text = self._tail + self._detokenizer.feed(token).casefold()
            self._tail = text[max(len(text) - self._longest + 1, 0) :]
        self._known = len(history)
        if self._detokenizer.is_inside_character:
            return self._whole | self._completing_characters()
        return self._whole.union(*(self._completing(phrase) for phrase in self._phrases))

    def _completing(self, phrase: str) -> set[int]:
        begun = [length for length in range(1, len(phrase)) if self._tail.endswith(phrase[:length])]
        return set[int]().union(*(self._texts.starting_with(phrase[length:]) for length in begun))

    def _completing_characters(self) -> set[int]:
        if not any(self._awaits_character(phrase) for phrase in self._phrases):
            return set()
        return {token for token in self._parts if self._completes(self._detokenizer.text_with(token).casefold())}

    def _awaits_character(self, phrase: str) -> bool:
        """Only characters that take several bytes are ever incomplete."""
        text = self._tail + self._detokenizer.pending_text.casefold()
        return any(not character.isascii() and text.endswith(phrase[:place]) for place, character in enumerate(phrase))

    def _completes(self, text: str) -> bool:
        return any(phrase in self._tail + text for phrase in self._phrases)
