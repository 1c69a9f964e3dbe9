"""A text as single statements, and whether they contradict a sentence that uses the same words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .splitting import sentence_texts
from .words import numbers, stems

# From this share of a sentence's words on, a statement is about the same thing; below it, it may be about another.
SAME_WORDS = 0.75
CLAUSE = re.compile(r"[;:–—]\s|,\s|\s(?:and|but|although|though|while|whereas|because|since|so that)\s")
# "Not only" and "no later than" deny nothing.
NEGATION = re.compile(
    r"\b(?:not(?! only| least| just)|no(?! later| more| fewer| less| doubt)|never|none|neither|nor|nobody|nothing|"
    r"nowhere|without|cannot|hardly|unable|\w+n['’]t)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """A sentence or one of its clauses; `words` are the stems of its words without numbers and negations."""

    words: frozenset[str]
    numbers: frozenset[str]
    is_negated: bool


def statements(text: str) -> tuple[Statement, ...]:
    """The sentences of a text, each behind its clauses."""
    sentences = list(sentence_texts(text))
    clauses = [[part for part in CLAUSE.split(sentence) if part] for sentence in sentences]
    return tuple(
        statement(part)
        for sentence, parts in zip(sentences, clauses, strict=True)
        for part in (*(parts if len(parts) > 1 else ()), sentence)
    )


def statement(text: str) -> Statement:
    words = frozenset(word for word in stems(NEGATION.sub(" ", text)) if not numbers(word))
    return Statement(words, numbers(text), NEGATION.search(text) is not None)


def is_contradicted(sentence: str, told: Sequence[Statement]) -> bool:
    """Whether what is told in its words is told otherwise: negated where it is not, or with other numbers.

    The shortest statement with those words decides; what is told in other words contradicts nothing here.
    """
    claim = statement(sentence)
    about = [one for one in told if len(claim.words & one.words) >= SAME_WORDS * max(len(claim.words), 1)]
    shortest = min((len(one.words) for one in about), default=0)
    return bool(about) and not any(agrees(claim, one) for one in about if len(one.words) == shortest)


def agrees(claim: Statement, told: Statement) -> bool:
    has_other_numbers = claim.numbers and told.numbers and not claim.numbers & told.numbers
    return claim.is_negated == told.is_negated and not has_other_numbers
