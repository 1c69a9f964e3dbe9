"""Whether a sentence says what a passage says: by its words, numbers and names, and by its meaning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .search import Matrix
from .statements import Statement, is_contradicted, statements
from .store import StoredPassage
from .words import NAME, content_words, numbers, stem, stems

# A sentence with fewer words of its own claims nothing that could be checked. One with so few may stand in a passage by
# chance, so all its words have to stand together there; and it claims nothing where it speaks of the talk itself.
FEWEST_WORDS = 2
TALK = re.compile(r"\b(?:I|me|my|we|us|you|your|answers?|questions?|passages?|documents?|text)\b", re.IGNORECASE)
# Measured on labelled pairs by tests/benchmarks/retrieval: how much of a sentence stands in the passage, how near its
# meaning is to the nearest part of it, and what both need to reach together; without vectors, words alone.
COVERAGE_WEIGHT = 0.7
LEAST_TOGETHER = 0.52
LEAST_COVERAGE = 0.55


@dataclass(frozen=True)
class Evidence:
    """A passage, and the vectors of its windows; none where it has none yet."""

    passage: StoredPassage
    windows: Matrix
    stems: frozenset[str]
    numbers: frozenset[str]
    statements: tuple[Statement, ...]


def evidence(passage: StoredPassage, windows: Matrix) -> Evidence:
    text = f"{passage.heading} {passage.document} {passage.text}"
    return Evidence(passage, windows, frozenset(stems(text)), numbers(text), statements(passage.text))


def is_claim(sentence: str) -> bool:
    """Questions, and what has next to no words, are none."""
    words = len(content_words(sentence))
    is_talk = words == FEWEST_WORDS and TALK.search(sentence) is not None
    return words >= FEWEST_WORDS and not is_talk and not sentence.rstrip().endswith(("?", ":"))


def supporting(sentence: str, given: Sequence[Evidence], vector: Sequence[float] | None) -> int | None:
    """The place of the passage that supports the sentence best, None when none does enough."""
    scores = [support(sentence, one, vector) for one in given]
    best = max(range(len(scores)), key=lambda place: scores[place], default=None)
    return best if best is not None and scores[best] >= 0 else None


def support(sentence: str, one: Evidence, vector: Sequence[float] | None) -> float:
    """How much more than enough; below 0 when it is not. A number or a name that is not there refutes it, and so
    does the same statement with or without a negation, or with other numbers."""
    if numbers(sentence) - one.numbers or names(sentence) - one.stems or is_contradicted(sentence, one.statements):
        return -1.0
    own = stems(sentence)
    if len(own) <= FEWEST_WORDS and not any(set(own) <= told.words | told.numbers for told in one.statements):
        return -1.0
    coverage = sum(word in one.stems for word in own) / max(len(own), 1)
    if vector is None or not len(one.windows):
        return coverage - LEAST_COVERAGE
    meaning = float((one.windows @ np.asarray(vector, np.float32)).max())
    return COVERAGE_WEIGHT * coverage + (1 - COVERAGE_WEIGHT) * meaning - LEAST_TOGETHER


def names(sentence: str) -> frozenset[str]:
    """Words with a capital that do not begin a sentence."""
    return frozenset(stem(found.lower()) for found in NAME.findall(sentence))
