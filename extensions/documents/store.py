"""Collections, their documents, passages and vectors in a database of the extension's own."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from modules.extensions import Passage

from .terms import TERMS, TOKENIZER, Searched, bm25, marks, occurrences, searched, terms

State = Literal["reading", "ready", "failed"]
# passages_fts holds no text of its own.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, conversation_id TEXT
);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    path TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL, state TEXT NOT NULL, fault TEXT NOT NULL, UNIQUE (collection_id, path)
);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    page INTEGER, heading TEXT NOT NULL, text TEXT NOT NULL,
    windows INTEGER NOT NULL DEFAULT 0, vectors BLOB
);
CREATE INDEX IF NOT EXISTS passages_with_lengths ON passages (document_id, length(text));
CREATE INDEX IF NOT EXISTS passages_without_vectors ON passages (id) WHERE vectors IS NULL;
CREATE VIRTUAL TABLE IF NOT EXISTS passages_fts USING fts5(
    text, heading, content='passages', content_rowid='id', {TOKENIZER}
);
CREATE TRIGGER IF NOT EXISTS passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts (rowid, text, heading) VALUES (new.id, new.text, new.heading);
END;
CREATE TRIGGER IF NOT EXISTS passages_removed AFTER DELETE ON passages BEGIN
    INSERT INTO passages_fts (passages_fts, rowid, text, heading)
    VALUES ('delete', old.id, old.text, old.heading);
END;
CREATE TABLE IF NOT EXISTS chosen (
    conversation_id TEXT NOT NULL, collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, collection_id)
);
"""
# How files are read and cut into passages; grows whenever that changes. What was read before goes on being found, and
# is read anew when its collection is read again.
READING = 2
NAME_LENGTH = 80
BUSY_SECONDS = 10.0
NEIGHBOURS = 50


@dataclass(frozen=True)
class Collection:
    """`conversation_id` is None for those that every conversation may choose."""

    id: int
    name: str
    conversation_id: str | None
    documents: int


@dataclass(frozen=True)
class Document:
    id: int
    collection_id: int
    path: Path
    name: str
    state: State
    fault: str
    pages: int
    passages: int
    vectors: int


@dataclass(frozen=True)
class FileFacts:
    """How a file is known again; the hash is taken only where size or time differ."""

    size: int
    mtime_ns: int
    sha256: str = ""


@dataclass(frozen=True)
class StoredPassage:
    id: int
    document: str
    page: int | None
    heading: str
    text: str


@dataclass(frozen=True)
class WindowVectors:
    """One vector after the other, of the parts of a passage, as float16."""

    count: int
    content: bytes


@dataclass(frozen=True)
class PassageVectors:
    passage_id: int
    collection_id: int
    vectors: WindowVectors


class Store:
    """Any thread may call: each call is one transaction. `vector_changes` grows whenever `vectors` changes."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;")
        self._connection.executescript(SCHEMA)
        self._connection.executescript(TERMS)
        # A program that ended while it read left half a document.
        self._connection.execute("DELETE FROM documents WHERE state = 'reading'")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] < READING:
            self._connection.execute("UPDATE documents SET mtime_ns = 0, sha256 = ''")
            self._connection.execute(f"PRAGMA user_version = {READING}")
        self._connection.commit()
        self.vector_changes = 0
        # By the collections that were searched last, until passages come or go.
        self._searched: dict[frozenset[int], Searched] = {}

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # Collections

    def collections(self, conversation_id: str | None = None) -> list[Collection]:
        """Those for all, and those of this conversation."""
        rows = self._rows(
            "SELECT c.*, count(d.id) AS documents FROM collections c LEFT JOIN documents d ON d.collection_id = c.id "
            "WHERE c.conversation_id IS NULL OR c.conversation_id = ? GROUP BY c.id ORDER BY c.name COLLATE NOCASE",
            (conversation_id,),
        )
        return [Collection(row["id"], row["name"], row["conversation_id"], row["documents"]) for row in rows]

    def conversations(self) -> list[str]:
        """Those that have a collection of their own."""
        rows = self._rows("SELECT conversation_id FROM collections WHERE conversation_id IS NOT NULL")
        return [row["conversation_id"] for row in rows]

    def add_collection(self, name: str, conversation_id: str | None = None) -> int:
        """Its id; that of the one which has this name already. Raises ValueError."""
        name = " ".join(name.split())
        if not 0 < len(name) <= NAME_LENGTH:
            raise ValueError(f"A collection needs a name of 1 to {NAME_LENGTH} characters.")
        with self._changing() as connection:
            connection.execute(
                "INSERT INTO collections (name, conversation_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, conversation_id),
            )
            found = connection.execute("SELECT * FROM collections WHERE name = ?", (name,)).fetchone()
        if found["conversation_id"] != conversation_id:
            raise ValueError(f"There is a collection called {name} already; choose another name.")
        return found["id"]

    def remove_collection(self, collection_id: int) -> None:
        with self._changing() as connection:
            connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            self.vector_changes += 1
            self._searched = {}

    def chosen(self, conversation_id: str) -> frozenset[int]:
        rows = self._rows("SELECT collection_id FROM chosen WHERE conversation_id = ?", (conversation_id,))
        return frozenset(row["collection_id"] for row in rows)

    def choose(self, conversation_id: str, collection_ids: Iterable[int]) -> None:
        """What this conversation answers from, instead of what it did."""
        with self._changing() as connection:
            connection.execute("DELETE FROM chosen WHERE conversation_id = ?", (conversation_id,))
            connection.executemany(
                "INSERT INTO chosen VALUES (?, ?)", [(conversation_id, one) for one in collection_ids]
            )

    # Documents

    def documents(self, collection_id: int) -> list[Document]:
        rows = self._rows(
            "SELECT d.*, count(p.id) AS passages, count(p.vectors) AS vectors, coalesce(max(p.page), 0) AS pages "
            "FROM documents d LEFT JOIN passages p ON p.document_id = d.id WHERE d.collection_id = ? "
            "GROUP BY d.id ORDER BY d.name COLLATE NOCASE",
            (collection_id,),
        )
        return [
            Document(
                row["id"],
                row["collection_id"],
                Path(row["path"]),
                row["name"],
                row["state"],
                row["fault"],
                row["pages"],
                row["passages"],
                row["vectors"],
            )
            for row in rows
        ]

    def facts(self, collection_id: int, path: Path) -> FileFacts | None:
        """Of a document that was read to its end, or None."""
        rows = self._rows(
            "SELECT * FROM documents WHERE collection_id = ? AND path = ? AND state IN ('ready', 'failed')",
            (collection_id, str(path)),
        )
        return FileFacts(rows[0]["size"], rows[0]["mtime_ns"], rows[0]["sha256"]) if rows else None

    def touch(self, collection_id: int, path: Path, facts: FileFacts) -> None:
        """The same content under another time."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE documents SET mtime_ns = ?, size = ? WHERE collection_id = ? AND path = ?",
                (facts.mtime_ns, facts.size, collection_id, str(path)),
            )

    def begin_document(self, collection_id: int, path: Path, name: str, facts: FileFacts) -> int:
        """Its id. What was there of an earlier version goes."""
        with self._changing() as connection:
            connection.execute("DELETE FROM documents WHERE collection_id = ? AND path = ?", (collection_id, str(path)))
            self.vector_changes += 1
            self._searched = {}
            row = connection.execute(
                "INSERT INTO documents (collection_id, path, name, size, mtime_ns, sha256, state, fault) "
                "VALUES (?, ?, ?, ?, ?, ?, 'reading', '') RETURNING id",
                (collection_id, str(path), name, facts.size, facts.mtime_ns, facts.sha256),
            ).fetchone()
        return row["id"]

    def end_document(self, document_id: int, fault: str = "") -> None:
        with self._changing() as connection:
            connection.execute(
                "UPDATE documents SET state = ?, fault = ? WHERE id = ?",
                ("failed" if fault else "ready", fault, document_id),
            )

    def remove_document(self, document_id: int) -> Path | None:
        """Its passages and vectors too; the path it had, None when there is no such document."""
        with self._changing() as connection:
            row = connection.execute("DELETE FROM documents WHERE id = ? RETURNING path", (document_id,)).fetchone()
            self.vector_changes += 1
            self._searched = {}
        return Path(row["path"]) if row else None

    # Passages

    def add_passages(self, document_id: int, passages: Iterable[Passage]) -> None:
        """Found by their words from now on."""
        with self._changing() as connection:
            connection.executemany(
                "INSERT INTO passages (document_id, page, heading, text) VALUES (?, ?, ?, ?)",
                [(document_id, one.page, one.heading, one.text) for one in passages],
            )
            self._searched = {}

    def without_vectors(self, limit: int, after: int = 0) -> list[StoredPassage]:
        """In the order of their ids, from behind `after`."""
        return self._passages("p.vectors IS NULL AND p.id > ? ORDER BY p.id LIMIT ?", (after, limit))

    def count_without_vectors(self) -> int:
        return self._rows("SELECT count(*) AS count FROM passages WHERE vectors IS NULL")[0]["count"]

    def set_vectors(self, vectors: Mapping[int, WindowVectors]) -> None:
        """Of each passage; those that have gone meanwhile are dropped."""
        with self._changing() as connection:
            connection.executemany(
                "UPDATE passages SET windows = ?, vectors = ? WHERE id = ?",
                [(one.count, one.content, passage) for passage, one in vectors.items()],
            )
            self.vector_changes += 1

    def vectors(self, ids: Sequence[int] | None = None) -> list[PassageVectors]:
        """Of these passages, or of all; only of those that have some."""
        where = "" if ids is None else f" AND p.id IN ({marks(ids)})"
        rows = self._rows(
            "SELECT p.id, d.collection_id, p.windows, p.vectors FROM passages p "
            f"JOIN documents d ON d.id = p.document_id WHERE p.windows > 0{where} ORDER BY p.id",
            tuple(ids or ()),
        )
        return [
            PassageVectors(row["id"], row["collection_id"], WindowVectors(row["windows"], row["vectors"]))
            for row in rows
        ]

    def match(self, words: Sequence[str], collection_ids: Iterable[int], limit: int) -> dict[int, float]:
        """The passages with any of these words, none for no words, with their BM25 in these collections, best first."""
        wanted = frozenset(collection_ids)
        points: Counter[int] = Counter()
        # What the question's words are as terms is written into a table.
        with self._changing() as connection:
            if wanted not in self._searched:
                self._searched = {wanted: searched(connection, wanted)}
            for term in terms(connection, words):
                points.update(bm25(occurrences(connection, term), self._searched[wanted]))
        return dict(points.most_common(limit))

    def passages(self, ids: Sequence[int]) -> list[StoredPassage]:
        """In this order; those that have gone are left out."""
        found = {one.id: one for one in self._passages(f"p.id IN ({marks(ids)})", tuple(ids))}
        return [found[one] for one in ids if one in found]

    def neighbourhood(self, passage_id: int) -> list[StoredPassage]:
        """The passage among those of its page; where there are no pages, among those next to it."""
        return self._passages(
            "EXISTS (SELECT 1 FROM passages o WHERE o.id = ? AND o.document_id = p.document_id AND "
            "(p.page = o.page OR abs(p.id - o.id) <= 1)) ORDER BY p.id LIMIT ?",
            (passage_id, NEIGHBOURS),
        )

    def _passages(self, where: str, values: tuple[Any, ...]) -> list[StoredPassage]:
        rows = self._rows(
            "SELECT p.id, d.name, p.page, p.heading, p.text FROM passages p JOIN documents d ON d.id = p.document_id "
            f"WHERE {where}",
            values,
        )
        return [StoredPassage(row["id"], row["name"], row["page"], row["heading"], row["text"]) for row in rows]

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection


def file_facts(path: Path) -> FileFacts:
    found = path.stat()
    return FileFacts(found.st_size, found.st_mtime_ns)
