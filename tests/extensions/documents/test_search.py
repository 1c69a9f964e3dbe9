"""Words and meaning are fused, and vectors are read anew when passages change."""

from collections.abc import Sequence
from pathlib import Path

from extensions.documents.search import Search, fused, packed
from extensions.documents.store import FileFacts, Store
from modules.extensions import Passage

TEXTS = ("The cat slept on the mat.", "A dog barked at the moon.", "Ships carry salt over the sea.")
VECTORS = ([[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0], [0.6, 0.8, 0.0]], [[0.0, 0.0, 1.0]])


def filled(folder: Path) -> tuple[Store, int]:
    store = Store(folder / "documents.sqlite3")
    collection = store.add_collection("One")
    document = store.begin_document(collection, Path("/a"), "a", FileFacts(1, 1))
    store.add_passages(document, [Passage(text) for text in TEXTS])
    store.end_document(document)
    return store, collection


def with_vectors(store: Store) -> None:
    store.set_vectors({one.id: packed(vectors) for one, vectors in zip(store.without_vectors(9), VECTORS, strict=True)})


def texts(search: Search, question: str, collection: int) -> list[str]:
    return [one.passage.text for one in search.find(question, [collection], 3)]


def asked(_texts: Sequence[str]) -> Sequence[Sequence[float]]:
    return [[0.6, 0.8, 0.0]]


def test_words_alone_before_there_are_vectors(tmp_path: Path) -> None:
    store, collection = filled(tmp_path)
    search = Search(store, asked)
    assert texts(search, "Who barked?", collection) == [TEXTS[1]]
    assert search.find("Who barked?", [collection], 3)[0].by_meaning is None
    with_vectors(store)
    assert texts(search, "Who barked?", collection)[0] == TEXTS[1]
    assert len(texts(search, "feline", collection)) == 3
    store.close()


def test_the_nearest_window_of_a_passage_counts_and_the_whole(tmp_path: Path) -> None:
    store, collection = filled(tmp_path)
    with_vectors(store)
    best = Search(store, asked).find("canine", [collection], 1)[0]
    assert best.passage.text == TEXTS[1]
    assert best.by_meaning is not None
    # The nearest window is the question itself; the mean of both windows lies at (1, 3) / sqrt(10).
    assert abs(best.by_meaning - (1.0 + 3.0 / 10**0.5) / 2) < 0.001
    store.close()


def test_a_question_is_asked_without_its_names_too(tmp_path: Path) -> None:
    store, collection = filled(tmp_path)
    with_vectors(store)
    heard: list[Sequence[str]] = []

    def embed(told: Sequence[str]) -> Sequence[Sequence[float]]:
        heard.append(told)
        return [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]][: len(told)]

    search = Search(store, embed)
    both = search.find("Whom did Ann Lee's dog bite in Rome, Italy?", [collection], 1)[0]
    alone = search.find("Who is Ann?", [collection], 1)[0]
    assert heard == [["Whom did Ann Lee's dog bite in Rome, Italy?", "Whom did dog bite in , ?"], ["Who is Ann?"]]
    assert both.by_meaning != alone.by_meaning
    store.close()


def test_without_a_model_words_must_do(tmp_path: Path) -> None:
    store, collection = filled(tmp_path)
    with_vectors(store)
    search = Search(store, lambda _texts: None)
    assert texts(search, "feline", collection) == []
    assert texts(search, "salt", collection) == [TEXTS[2]]
    store.close()


def test_other_collections_are_left_out(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    with_vectors(store)
    other = store.add_collection("Two")
    assert texts(Search(store, asked), "dog", other) == []
    store.close()


def test_what_is_good_in_both_comes_first() -> None:
    assert fused({1: 10.0, 2: 9.0}, {1: 0.1, 2: 0.5, 3: 0.52}) == [2, 3, 1]
    assert fused({1: 10.0, 2: 9.0}, {}) == [1, 2]
    assert fused({}, {1: 0.1, 2: 0.5}) == [2, 1]


def test_a_passage_without_a_vector_yet_is_not_buried() -> None:
    assert fused({1: 10.0, 2: 9.0}, {2: 0.5, 3: 0.1}) == [1, 2, 3]
