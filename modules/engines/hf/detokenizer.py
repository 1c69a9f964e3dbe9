"""Tokens to text as they come: a character that takes several tokens appears when it is whole."""

from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# A character takes at most a few tokens; what is still broken after that many is broken for good.
PATIENCE_TOKENS = 8


class Detokenizer:
    """Decodes the newest tokens beside those before, because the text of a token depends on its neighbours."""

    def __init__(
        self,
        tokenizer: Any,
        prompt: tuple[int, ...],
        *,
        skips_special: bool = True,
        shown: Mapping[int, str] | None = None,
    ) -> None:
        """`skips_special`: whether special tokens have no text; those of `shown` have theirs in any case."""
        self._tokenizer = tokenizer
        self._skips_special = skips_special
        self._shown = shown or {}
        self._context = list(prompt[-4:])
        self._pending: list[int] = []
        self._before = self._decode(self._context)

    @property
    def is_inside_character(self) -> bool:
        return bool(self._pending)

    @property
    def pending_text(self) -> str:
        """What stands before the incomplete character and came with it."""
        return self._decode([*self._context, *self._pending])[len(self._before) :].rstrip(REPLACEMENT)

    def feed(self, token: int) -> str:
        """The text that is certain now; empty while a character is incomplete."""
        if token in self._shown:
            return self._show(token)
        text = self.text_with(token)
        self._pending.append(token)
        if text.endswith(REPLACEMENT) and len(self._pending) < PATIENCE_TOKENS:
            return ""
        return self._release(text)

    def text_with(self, token: int) -> str:
        """What the incomplete character and this token would be together; it is not fed."""
        return self._decode([*self._context, *self._pending, token])[len(self._before) :]

    def flush(self) -> str:
        """What is left at the end, however broken."""
        if not self._pending:
            return ""
        return self._release(self._decode([*self._context, *self._pending])[len(self._before) :])

    def _show(self, token: int) -> str:
        before = self.flush()
        self._pending = [token]
        return before + self._release(self._shown[token])

    def _release(self, text: str) -> str:
        self._context, self._pending = self._pending, []
        self._before = self._decode(self._context)
        return text

    def _decode(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(
            tokens, skip_special_tokens=self._skips_special, clean_up_tokenization_spaces=False
        )
