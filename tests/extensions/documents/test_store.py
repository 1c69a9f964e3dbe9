"""What is stored is found by its words, and goes with its document."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from extensions.documents.search import packed
from extensions.documents.store import FileFacts, Store
from extensions.documents.words import numbers, words_to_find
from modules.extensions import Passage

FACTS = FileFacts(1, 1, "x")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "documents.sqlite3")
    yield store
    store.close()


def add(store: Store, collection: int, name: str, *texts: str) -> int:
    document = store.begin_document(collection, Path("/files") / name, name, FACTS)
    store.add_passages(document, [Passage(text, place) for place, text in enumerate(texts, 1)])
    store.end_document(document)
    return document


def found(store: Store, question: str, *collections: int) -> list[str]:
    return [one.text for one in store.passages(list(store.match(words_to_find(question), collections, 10)))]


def test_words_are_found_by_their_stems_and_beginnings(store: Store) -> None:
    one = store.add_collection("One")
    add(store, one, "a.txt", "The harbours were dredged.", "Müller repaired the portal.", "Nothing of note.")
    assert found(store, "When was the harbour dredging?", one) == ["The harbours were dredged."]
    assert found(store, "What did Muller do?", one) == ["Müller repaired the portal."]
    assert found(store, "What is the what?", one) == []
    assert found(store, 'odd "quotes OR (AND*', one) == []


def test_only_in_the_collections_that_were_chosen(store: Store) -> None:
    one, two = store.add_collection("One"), store.add_collection("Two")
    add(store, one, "a.txt", "A red boat.")
    add(store, two, "b.txt", "A blue boat.")
    assert found(store, "boat", one) == ["A red boat."]
    assert sorted(found(store, "boat", one, two)) == ["A blue boat.", "A red boat."]


def test_a_second_collection_changes_nothing_in_the_first(store: Store) -> None:
    one, two = store.add_collection("One"), store.add_collection("Two")
    add(
        store,
        one,
        "a.txt",
        "The boat is red.",
        "A harbour, a harbour wall and a harbour light.",
        "Boats lie there.",
        "Salt.",
    )
    question = words_to_find("the boat at the harbour")
    alone = store.match(question, [one], 10)
    assert len(alone) == 3
    add(store, two, "b.txt", *["Each harbour has a harbour master, and he has a very long list of things to do."] * 30)
    assert store.match(question, [one], 10) == alone
    assert store.match(question, [one, two], 40) != alone


def test_points_follow_what_comes_and_goes(store: Store) -> None:
    one = store.add_collection("One")
    texts = ("A red boat.", "Salt and sea and much more to tell of them.", "Wind.", "Sand.")
    add(store, one, "a.txt", *texts)
    before = store.match(["boat"], [one], 10)
    more = add(store, one, "b.txt", "Another boat, and a long story about what became of it in the end.", "Rain.")
    assert len(store.match(["boat"], [one], 10)) == 2
    store.remove_document(more)
    assert store.match(["boat"], [one], 10) == before


def test_what_stands_in_a_heading_counts_half(store: Store) -> None:
    one = store.add_collection("One")
    document = store.begin_document(one, Path("/files/a"), "a", FACTS)
    texts = [("Harbours", "What is built."), ("Walls", "The harbours."), ("", "Salt."), ("", "Sea."), ("", "Wind.")]
    store.add_passages(document, [Passage(text, None, heading) for heading, text in texts])
    assert found(store, "harbour", one) == ["The harbours.", "What is built."]


def test_a_removed_document_leaves_nothing(store: Store) -> None:
    one = store.add_collection("One")
    document = add(store, one, "a.txt", "A red boat.")
    store.set_vectors({store.without_vectors(1)[0].id: packed([[1.0, 0.0], [0.0, 1.0]])})
    assert [row.vectors.count for row in store.vectors()] == [2]
    assert store.remove_document(document) == Path("/files/a.txt")
    assert found(store, "boat", one) == []
    assert store.vectors() == []


def test_a_removed_collection_leaves_nothing(store: Store) -> None:
    one = store.add_collection("One")
    add(store, one, "a.txt", "A red boat.")
    store.choose("talk", [one])
    store.remove_collection(one)
    assert store.chosen("talk") == frozenset()
    assert store.without_vectors(1) == []


def test_collections_of_a_conversation_are_its_own(store: Store) -> None:
    store.add_collection("All")
    own = store.add_collection("Own", "talk")
    assert [one.name for one in store.collections("talk")] == ["All", "Own"]
    assert [one.name for one in store.collections("other")] == ["All"]
    assert store.add_collection("Own", "talk") == own
    with pytest.raises(ValueError, match="another name"):
        store.add_collection("Own")


def test_what_was_half_read_when_the_program_ended_is_read_again(store: Store, tmp_path: Path) -> None:
    one = store.add_collection("One")
    document = store.begin_document(one, Path("/files/a.txt"), "a.txt", FACTS)
    store.add_passages(document, [Passage("A red boat.")])
    assert store.facts(one, Path("/files/a.txt")) is None
    again = Store(tmp_path / "documents.sqlite3")
    assert again.documents(one) == []
    again.close()


def test_numbers_are_compared_as_numbers() -> None:
    assert numbers("1,200 crowns in 1794.") == {"1200", "1794"}
    assert numbers("Twenty-five days, forty nights, nineteen hours, someone.") == {"25", "40", "19"}


def test_what_an_older_version_has_read_is_found_and_read_anew_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "documents.sqlite3"
    store = Store(file)
    one = store.add_collection("One")
    add(store, one, "a.txt", "A red boat.")
    store.close()
    store = Store(file)
    assert store.facts(one, Path("/files/a.txt")) == FACTS
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 0")
    store = Store(file)
    assert found(store, "boat", one) == ["A red boat."]
    facts = store.facts(one, Path("/files/a.txt"))
    assert facts is not None
    assert facts.mtime_ns != FACTS.mtime_ns
    assert facts.sha256 != FACTS.sha256
    store.close()
