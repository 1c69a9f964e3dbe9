"""Files and folders into the store: text first, so that words are found at once, then vectors."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from modules.extensions import DocumentReader, Passage

from .embedding import Embedder
from .search import packed
from .splitting import split, windows
from .store import FileFacts, Store, StoredPassage, file_facts

Report = Callable[[float | None, str], None]
Cancelled = Callable[[], bool]

# Written at once: small enough that the first pages are found while the last ones are read.
PASSAGES = 50
# Embedded at once: a fraction of a second, in which a question waits.
BATCH = 16
HASH_BYTES = 2**20
FILES = 5_000
# Of the progress that is shown; vectors take the rest.
TEXT_SHARE = 0.3
HEADING_CHARACTERS = 80


class Indexer:
    """`index` and `embed` are a job's work. One thread at a time."""

    def __init__(self, store: Store, readers: Callable[[], Sequence[DocumentReader]], embedder: Embedder) -> None:
        self._store = store
        self._readers = readers
        self._embedder = embedder

    def index(self, collection_id: int, paths: Sequence[Path], report: Report, cancelled: Cancelled) -> None:
        """Reads what is new or has changed. A file that cannot be read keeps its reason; the others go on."""
        readers = {suffix: reader for reader in self._readers() for suffix in reader.suffixes}
        files = [file for path in paths for file in files_of(path, readers)]
        for done, file in enumerate(files):
            if cancelled():
                return
            report(TEXT_SHARE * done / len(files), f"reading {file.name}")
            self._index_file(collection_id, file, readers, cancelled)
        self.embed(report, cancelled)

    def embed(self, report: Report, cancelled: Cancelled) -> None:
        """Vectors of all passages that have none; nothing without the model. Raises ParlorError when it fails."""
        total = self._store.count_without_vectors()
        if not total or not self._embedder.is_here:
            report(1.0, "found by words; meaning needs the embedding model" if total else "done")
            return
        done = after = 0
        while not cancelled() and (passages := self._store.without_vectors(BATCH, after)):
            after = passages[-1].id
            self._embed(passages)
            done += len(passages)
            report(min(TEXT_SHARE + (1 - TEXT_SHARE) * done / total, 1.0), f"comparing meaning: {done:,} of {total:,}")

    def _index_file(
        self, collection_id: int, file: Path, readers: Mapping[str, DocumentReader], cancelled: Cancelled
    ) -> None:
        try:
            facts = file_facts(file)
            known = self._store.facts(collection_id, file)
            if known is not None and (known.size, known.mtime_ns) == (facts.size, facts.mtime_ns):
                return
            facts = FileFacts(facts.size, facts.mtime_ns, digest(file))
        except OSError as error:
            facts, known, fault = FileFacts(0, 0), None, f"This file cannot be read: {error.strerror}."
        else:
            fault = ""
        if known is not None and known.sha256 == facts.sha256:
            self._store.touch(collection_id, file, facts)
            return
        document = self._store.begin_document(collection_id, file, file.name, facts)
        if not fault:
            fault = self._read(document, file, readers, cancelled)
        if cancelled():
            self._store.remove_document(document)
        else:
            self._store.end_document(document, fault)

    def _read(self, document: int, file: Path, readers: Mapping[str, DocumentReader], cancelled: Cancelled) -> str:
        """Why it could not be read, or nothing."""
        reader = readers.get(file.suffix.lower())
        if reader is None:
            return f"Files of the kind {file.suffix or file.name} cannot be read; {', '.join(sorted(readers))} can."
        count = 0
        try:
            blocks = (Passage(one.text, one.page, one.heading) for one in reader.read(file))
            for passages in batches(split(blocks), PASSAGES):
                if cancelled():
                    return ""
                self._store.add_passages(document, passages)
                count += len(passages)
        except (ValueError, OSError) as error:
            return str(error)
        return "" if count else "There is no text in this file."

    def _embed(self, passages: Sequence[StoredPassage]) -> None:
        parts = [windows_of(passage) for passage in passages]
        vectors = iter(self._embedder.embed_all([text for texts in parts for text in texts]))
        self._store.set_vectors(
            {
                passage.id: packed(list(islice(vectors, len(texts))))
                for passage, texts in zip(passages, parts, strict=True)
            }
        )


def windows_of(passage: StoredPassage) -> list[str]:
    """The texts whose vectors stand for a passage: each begins with the heading, which says what it is about."""
    heading = passage.heading[-HEADING_CHARACTERS:]
    return [f"{heading}: {text}" if heading else text for text in windows(passage.text)]


def files_of(path: Path, readers: Mapping[str, DocumentReader]) -> list[Path]:
    """The file itself; of a folder, all that can be read, at most FILES, hidden ones left out."""
    if not path.is_dir():
        return [path.absolute()]
    found = (
        file.absolute()
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in readers
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    )
    return list(islice(found, FILES))


def digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(HASH_BYTES):
            found.update(chunk)
    return found.hexdigest()


def batches(passages: Iterator[Passage], size: int) -> Iterator[list[Passage]]:
    while batch := list(islice(passages, size)):
        yield batch
