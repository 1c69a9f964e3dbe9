"""A sentence in the words of a passage is not supported when the passage denies it, or counts otherwise."""

import numpy as np
import pytest

from extensions.documents.statements import is_contradicted, statements
from extensions.documents.store import StoredPassage
from extensions.documents.support import evidence, supporting

TEXT = (
    "The library of Velmoor is open on Sundays, but the museum is not open on Sundays. "
    "Visitors may not bring dogs. The bridge was built in 1887 and rebuilt in 1950. "
    "The ferry carries forty passengers and two cars. Tickets are valid for three days."
)
TRUE = (
    "The library is open on Sundays.",
    "The museum isn't open on Sundays.",
    "Visitors can never bring dogs.",
    "The bridge was built in 1887.",
    "The bridge was rebuilt in 1950.",
    "The ferry carries 40 passengers.",
    "Tickets are valid for not only one day, but for three days.",
    "The library is not closed to dogs of the mayor.",
)
FALSE = (
    "The library is not open on Sundays.",
    "The museum is open on Sundays.",
    "Visitors may bring dogs.",
    "The bridge was never built.",
    "The bridge was built in 1950.",
    "The ferry carries two passengers.",
    "Tickets aren’t valid for three days.",
)


@pytest.mark.parametrize("sentence", TRUE)
def test_what_is_told_or_told_of_something_else_is_not_contradicted(sentence: str) -> None:
    assert not is_contradicted(sentence, statements(TEXT))


@pytest.mark.parametrize("sentence", FALSE)
def test_a_negation_or_another_number_contradicts(sentence: str) -> None:
    assert is_contradicted(sentence, statements(TEXT))


def test_a_contradicted_sentence_is_not_supported_however_near_its_meaning() -> None:
    same = [1.0, 0.0]
    given = [evidence(StoredPassage(1, "town.txt", None, "", TEXT), np.array([same], np.float32))]
    assert supporting("The bridge was built in 1887.", given, same) == 0
    assert supporting("The bridge was not built in 1887.", given, same) is None


def test_another_passage_may_support_what_one_contradicts() -> None:
    none = np.zeros((0, 0), np.float32)
    texts = ("The mill was not rebuilt after the fire.", "The mill was rebuilt after the fire.")
    given = [evidence(StoredPassage(1, "town.txt", None, "", text), none) for text in texts]
    assert supporting("The mill was rebuilt after the fire.", given, None) == 1
