"""Prints how well and how fast documents are found: `python -m tests.benchmarks.retrieval [NAMES OF EACH KIND]`.

Two corpora: a PDF of about 500 pages of 400 words that is made up (see `corpus`), and the reference of the language that
Python's standard library carries. The whole program runs, the embedding model in its worker; the model is fetched into
the project's own models folder when it is not there.
"""

import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from pydoc_data.topics import topics  # pyright: ignore[reportUnknownVariableType]
from typing import Any

import numpy as np

from modules.app import build_app
from modules.paths import PROJECT
from modules.settings import Settings
from tests.benchmarks.retrieval.corpus import Question, paragraphs, questions
from tests.pdf_files import write_pdf

FOLDER = Path(__file__).parent
NAMES = 21
WORDS_PER_PAGE = 400
OF_EACH_TOPIC = 4
RANKS = 5
LOOK_SECONDS = 0.1


def main(names: int) -> None:
    with tempfile.TemporaryDirectory(prefix="parlor-retrieval-") as scratch:
        settings = Settings(data=Path(scratch) / "data", models=PROJECT / "models")
        with closing(build_app(settings)) as app:
            app.extensions.enable("documents")
            desk: Any = sys.modules["parlor_extension_documents.main"].EXTENSION.open_desk
            if not desk.embedder.is_here:
                desk.fetch_model()
                wait(lambda: desk.embedder.is_here)
            desk.embedder.embed_all(["The model is loaded before anything is measured."])
            measure_corpus(desk, Path(scratch), names)
            measure_reference(desk, Path(scratch))
            measure_claims(desk)


def measure_corpus(desk: Any, scratch: Path, names: int) -> None:
    told = paragraphs(names)
    words = " ".join(one.text for one in told).split()
    pages = [" ".join(words[place : place + WORDS_PER_PAGE]) for place in range(0, len(words), WORDS_PER_PAGE)]
    collection = index(desk, write_pdf(scratch / "made-up.pdf", pages))
    asked = questions(told, OF_EACH_TOPIC)
    print_recall(desk, collection, "made up, in the words of the passage", [one for one in asked if not one.is_far])
    print_recall(desk, collection, "made up, in other words", [one for one in asked if one.is_far])


def measure_reference(desk: Any, scratch: Path) -> None:
    path = scratch / "reference.txt"
    path.write_text("\n\n".join(topics.values()), encoding="utf-8")  # pyright: ignore[reportUnknownArgumentType]
    collection = index(desk, path)
    asked = tomllib.loads((FOLDER / "reference.toml").read_text(encoding="utf-8"))["question"]
    print_recall(desk, collection, "reference", [Question(one["text"], one["answer"], "", True) for one in asked])


def index(desk: Any, path: Path) -> int:
    """The collection that holds the file; prints how long it took."""
    collection: int = desk.store.add_collection(path.name)
    started = time.perf_counter()
    desk.add(collection, path)
    wait(lambda: desk.store.facts(collection, path) is not None)
    by_words = time.perf_counter() - started
    wait(lambda: desk.progress is None and not desk.store.count_without_vectors())
    by_meaning = time.perf_counter() - started
    document = desk.store.documents(collection)[0]
    print(f"{path.name}: {document.pages} pages, {document.passages:,} passages; words {by_words:.1f} s, ", end="")
    print(f"vectors {by_meaning:.1f} s after it was added", flush=True)
    return collection


def print_recall(desk: Any, collection: int, title: str, asked: Sequence[Question]) -> None:
    hits, seconds = [], []
    for question in asked:
        started = time.perf_counter()
        found = desk.find(question.text, [collection])[:RANKS]
        seconds.append(time.perf_counter() - started)
        hits.append(any(question.fact in one.passage.text for one in found))
    median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
    print(f"{title}: recall@{RANKS} {statistics.mean(hits):.3f} of {len(hits)} questions; ", end="")
    print(f"a query {median:.0f} ms (worst {worst:.0f})", flush=True)


def measure_claims(desk: Any) -> None:
    """Each sentence is checked against all the passages at once, as in a reply."""
    support: Any = sys.modules["parlor_extension_documents.support"]
    splitting: Any = sys.modules["parlor_extension_documents.splitting"]
    store: Any = sys.modules["parlor_extension_documents.store"]
    told = tomllib.loads((FOLDER / "claims.toml").read_text(encoding="utf-8"))["passage"]
    given = [
        support.evidence(
            store.StoredPassage(place, "claims", None, "", one["text"]),
            np.array(desk.embedder.embed_all(splitting.windows(one["text"])), np.float32),
        )
        for place, one in enumerate(told)
    ]
    for kind in ("supported", "unsupported"):
        sentences = [sentence for one in told for sentence in one[kind]]
        vectors = desk.embedder.embed_all(sentences)
        both = [
            support.supporting(one, given, vector) is not None for one, vector in zip(sentences, vectors, strict=True)
        ]
        words = [support.supporting(one, given, None) is not None for one in sentences]
        print(f"{kind} sentences marked as supported: {sum(both)} of {len(both)}, by words alone {sum(words)}")


def wait(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NAMES)
