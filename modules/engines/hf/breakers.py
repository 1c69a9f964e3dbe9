"""DRY's sequence breakers: texts become the token sequences that runs do not reach across."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from modules.engines.hf.token_texts import TokenTexts

# As in llama.cpp: characters of a text, and tokens behind the first.
LONGEST_TEXT = 40
LONGEST_TAIL = 20


class Breakers:
    """Sequences by their first token: what must follow it, nothing where it is a breaker by itself."""

    def __init__(self, tails: Mapping[int, frozenset[tuple[int, ...]]]) -> None:
        self._tails = tails

    def __contains__(self, token: int) -> bool:
        """Whether this token alone is one."""
        return () in self._tails.get(token, ())

    def run_limit(self, recent: list[int]) -> int:
        """How many tokens stand behind the newest breaker."""
        for start in range(len(recent) - 1, -1, -1):
            tails = self._tails.get(recent[start], ())
            ends = [len(tail) for tail in tails if tuple(recent[start + 1 : start + 1 + len(tail)]) == tail]
            if ends:
                return len(recent) - 1 - start - max(ends)
        return len(recent)


NO_BREAKERS = Breakers({})


def read_breakers(texts: tuple[str, ...], tokens: TokenTexts, tokenize: Callable[[str], list[int]]) -> Breakers:
    """A breaker may be part of a token's text, or begin at its end and go on in the next ones."""
    tails: defaultdict[int, set[tuple[int, ...]]] = defaultdict(set)
    for text in (text[:LONGEST_TEXT] for text in texts):
        whole = tokens.containing(text)
        for token in whole:
            tails[token].add(())
        for length in range(1, len(text)):
            rest = tuple(tokenize(text[length:])[:LONGEST_TAIL])
            for token in tokens.ending_with(text[:length]) - whole:
                tails[token].add(rest)
    return Breakers({token: frozenset(found) for token, found in tails.items()})
