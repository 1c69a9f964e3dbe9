"""Prints how well and how fast documents are found: `python -m tests.benchmarks.retrieval [THE RUST BOOK]`.

PDFs of about 500 pages of 400 words: a made-up one from two seeds (see `corpus`), what Python's standard library says of
itself, and the book The Rust Programming Language, where the path of its `print.html` is given, without headings and with
them and an outline; and as a text file the reference of the language that Python carries. The whole program runs, the embedding model in its worker; the model is
fetched into the project's own models folder when it is not there.
"""

import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from modules.app import build_app
from modules.paths import PROJECT
from modules.settings import Settings
from tests.benchmarks.retrieval import real_texts
from tests.benchmarks.retrieval.corpus import Question, paragraphs, questions
from tests.pdf_files import with_outline, write_pdf

FOLDER = Path(__file__).parent
NAMES = 21
SEEDS = (1, 7)
WORDS_PER_PAGE = 400
OF_EACH_TOPIC = 4
RANKS = 5
LOOK_SECONDS = 0.1


def main(book: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="parlor-retrieval-") as scratch:
        settings = Settings(data=Path(scratch) / "data", models=PROJECT / "models")
        with closing(build_app(settings)) as app:
            app.extensions.enable("documents")
            desk: Any = sys.modules["parlor_extension_documents.main"].EXTENSION.open_desk
            if not desk.embedder.is_here:
                desk.fetch_model()
                wait(lambda: desk.embedder.is_here)
            desk.embedder.embed_all(["The model is loaded before anything is measured."])
            for seed in SEEDS:
                told = paragraphs(NAMES, seed)
                file = pdf(Path(scratch) / f"made-up-{seed}.pdf", " ".join(one.text for one in told))
                measure(desk, file, questions(told, OF_EACH_TOPIC, seed + 1))
            text = real_texts.library()
            measure(desk, pdf(Path(scratch) / "library.pdf", text), real_texts.questions("library.toml", text))
            if book:
                text = real_texts.page(book)
                asked = real_texts.questions("rust_book.toml", text)
                measure(desk, pdf(Path(scratch) / "book.pdf", text), asked)
                measure(desk, outlined_pdf(Path(scratch) / "book-with-outline.pdf", real_texts.sections(book)), asked)
            text, file = real_texts.reference(), Path(scratch) / "reference.txt"
            file.write_text(text, encoding="utf-8")
            measure(desk, file, real_texts.questions("reference.toml", text))
            measure_claims(desk)


def pdf(path: Path, text: str) -> Path:
    words = text.split()
    starts = range(0, len(words), WORDS_PER_PAGE)
    return write_pdf(path, [" ".join(words[start : start + WORDS_PER_PAGE]) for start in starts])


def outlined_pdf(path: Path, sections: Sequence[real_texts.Section]) -> Path:
    """The same pages with headings on lines of their own, and the outline that such books have."""
    pages: list[list[str]] = [[]]
    entries: list[tuple[int, int, str]] = []
    room = WORDS_PER_PAGE
    for section in sections:
        if section.title:
            entries.append((len(pages), section.level, section.title))
            pages[-1].append(section.title)
        words = section.text.split()
        while words:
            pages[-1].append(" ".join(words[:room]))
            words, room = words[room:], room - len(words[:room])
            if not room:
                pages.append([])
                room = WORDS_PER_PAGE
    plain = write_pdf(path, ["\n".join(page) for page in pages])
    return with_outline(plain, path, entries)


def measure(desk: Any, file: Path, asked: Sequence[Question]) -> None:
    collection = index(desk, file)
    near, far = ([one for one in asked if one.is_far is is_far] for is_far in (False, True))
    print_recall(desk, collection, f"{file.stem}, all", asked)
    if near and far:
        print_recall(desk, collection, f"{file.stem}, in the words of the passage", near)
        print_recall(desk, collection, f"{file.stem}, in other words", far)


def index(desk: Any, path: Path) -> int:
    """The collection that holds the file; prints how long it took, and how long processors worked for it."""
    collection: int = desk.store.add_collection(path.name)
    started, worked = time.perf_counter(), processor_seconds()
    desk.add(collection, path)
    wait(lambda: desk.store.facts(collection, path) is not None)
    by_words, words_worked = time.perf_counter() - started, processor_seconds() - worked
    wait(lambda: desk.progress is None and not desk.store.count_without_vectors())
    by_meaning, meaning_worked = time.perf_counter() - started, processor_seconds() - worked
    document = desk.store.documents(collection)[0]
    print(f"{path.name}: {document.pages} pages, {document.passages:,} passages; after it was added words ", end="")
    print(f"{by_words:.1f} s, of processors {words_worked:.1f} s, ", end="")
    print(f"vectors {by_meaning:.1f} s, of processors {meaning_worked:.1f} s", flush=True)
    return collection


def processor_seconds() -> float:
    """Of this process and all it has started, those that have ended included."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def print_recall(desk: Any, collection: int, title: str, asked: Sequence[Question]) -> None:
    hits, seconds = [], []
    for question in asked:
        started = time.perf_counter()
        found = desk.find(question.text, [collection])[:RANKS]
        seconds.append(time.perf_counter() - started)
        hits.append(any(answer in one.passage.text for answer in question.answers for one in found))
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
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
