"""How many passages a question gets."""

from extensions.documents.desk import fitting
from extensions.documents.search import Found
from extensions.documents.store import StoredPassage


def found(*words: int) -> list[Found]:
    return [Found(StoredPassage(place, "a", None, "", "word " * count), None) for place, count in enumerate(words)]


def test_passages_fit_into_the_words_that_are_set() -> None:
    assert [one.passage.id for one in fitting(found(100, 100, 60, 50, 10), 300)] == [0, 1, 2]


def test_there_is_one_at_least() -> None:
    assert len(fitting(found(200, 10), 100)) == 1
    assert fitting([], 100) == []
