"""What of the results of tools a model is told: as much as its context has room for."""

from collections.abc import Callable

from modules.limits import LIMITS
from modules.services.inference import TokenCount
from modules.storage.database import cleaned

# The share of the context for all results of one reply.
RESULTS_SHARE = 2
# Where nobody counts the tokens.
CHARS_PER_TOKEN = 4


class ResultRoom:
    """What the results of one reply may take: each half of what those before it have left."""

    def __init__(self, count: Callable[[str], TokenCount | None], context_length: Callable[[], int]) -> None:
        """`count` is None where nobody counts, `context_length` 0 where it is not known."""
        self._count = count
        self._context_length = context_length
        self._taken = 0

    def cut(self, result: str) -> str:
        """It, or its beginning and a sentence about the rest."""
        text = cleaned(result[: LIMITS.tool_result_chars])
        if context := self._context_length():
            # Counted is no more than may fit at all.
            text = text[:context]
            room = max(context // RESULTS_SHARE - self._taken, 0) // 2
            while text and (size := self._tokens(text)) > room:
                text = text[: len(text) * room // size]
            self._taken += self._tokens(text)
        if len(text) == len(result):
            return text
        return f"{text}\n[Cut: the result has {len(result):,} characters, and {len(text):,} of them are shown.]"

    def _tokens(self, text: str) -> int:
        counted = self._count(text)
        return len(text) // CHARS_PER_TOKEN if counted is None else len(counted.tokens)
