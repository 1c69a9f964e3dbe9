"""Documents in the database: their names, folders and settings. Their texts are in `document_versions`."""

import sqlite3
import time
import uuid

from modules.errors import BadRequest, NotFound
from modules.limits import LIMITS
from modules.storage.database import Database, storable
from modules.storage.document_steps import add_step
from modules.storage.folder_names import as_folder, is_within, moved_folders, with_outer
from modules.storage.search import DOCUMENTS, found
from modules.storage.version_texts import text_at
from modules.types.document import Document, DocumentHit

UNTITLED = "Untitled"
MOST_LISTED = 2000


class DocumentStore:
    """Any thread may call. Deleted documents are hidden until `restore` or `purge`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, title: str, folder: str, text: str) -> Document:
        """With `text` as its first version."""
        now = time.time()
        document_id = uuid.uuid4().hex
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO document (id, title, folder, created, updated) VALUES (?, ?, ?, ?, ?)",
                (document_id, as_title(title or UNTITLED), as_folder(folder), now, now),
            )
            root = connection.execute(
                "INSERT INTO document_version (document_id, kind, start, removed, inserted, length, since_whole, "
                "whole_text, origins, created) VALUES (?, 'created', 0, 0, ?, ?, 0, ?, ?, ?)",
                (document_id, text, len(text), text, f"[[0, 0, {len(text)}]]" if text else "[]", now),
            ).lastrowid
            assert root is not None
            add_step(connection, document_id, root)
            return require_document(connection, document_id)

    def get(self, document_id: str) -> Document:
        with self._database.read() as connection:
            return require_document(connection, document_id)

    def listed(self, folder: str = "") -> list[Document]:
        """Newest first, those of this folder and of the folders in it; the empty name is all."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM document WHERE deleted IS NULL ORDER BY updated DESC LIMIT ?", (MOST_LISTED,)
            ).fetchall()
        return [document for document in map(document_of, rows) if is_within(document.folder, folder)]

    def folders(self) -> list[str]:
        """All that hold documents, with those around them, in the order of their names."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT folder FROM document WHERE deleted IS NULL").fetchall()
        return with_outer(row["folder"] for row in rows)

    def search(self, words: str, folder: str = "", limit: int = 50) -> list[DocumentHit]:
        """Documents whose text or title holds all words, each as a beginning; best first."""
        self._refresh_texts()
        with self._database.read() as connection:
            rows = found(connection, DOCUMENTS, words, MOST_LISTED, has_index=self._database.has_search_index)
        hits = [DocumentHit(document_of(row), row["snippet"]) for row in rows]
        return [hit for hit in hits if is_within(hit.document.folder, folder)][:limit]

    def rename(self, document_id: str, title: str) -> Document:
        return self._change(document_id, "title = ?", (as_title(title),))

    def move(self, document_id: str, folder: str) -> Document:
        return self._change(document_id, "folder = ?", (as_folder(folder),))

    def move_folder(self, folder: str, new_folder: str) -> None:
        """Every document in it or in a folder in it; nothing stays behind."""
        with self._database.transaction() as connection:
            folders = [row["folder"] for row in connection.execute("SELECT DISTINCT folder FROM document")]
            for old, new in moved_folders(folders, folder, new_folder).items():
                connection.execute(
                    "UPDATE document SET folder = ?, revision = revision + 1 WHERE folder = ?", (new, old)
                )

    def set_context(self, document_id: str, memory: str, note: str, note_depth: int) -> Document:
        """What a model reads besides the text."""
        for name, text, limit in (
            ("memory", memory, LIMITS.document_memory_chars),
            ("note", note, LIMITS.document_note_chars),
        ):
            if len(storable(text, name)) > limit:
                raise BadRequest(f"The {name} has {len(text):,} characters; {limit:,} is the limit.", field=name)
        if not 1 <= note_depth <= LIMITS.document_note_depth:
            raise BadRequest(
                f"The note's depth is 1 to {LIMITS.document_note_depth} lines from the end.", field="note_depth"
            )
        return self._change(document_id, "memory = ?, note = ?, note_depth = ?", (memory, note, note_depth))

    def delete(self, document_id: str) -> None:
        with self._database.transaction() as connection:
            require_document(connection, document_id)
            connection.execute("UPDATE document SET deleted = ? WHERE id = ?", (time.time(), document_id))

    def restore(self, document_id: str) -> Document:
        with self._database.transaction() as connection:
            connection.execute("UPDATE document SET deleted = NULL WHERE id = ?", (document_id,))
            return require_document(connection, document_id)

    def purge(self, older_than_seconds: float) -> int:
        """Remove for good what was deleted longer ago; returns how many documents."""
        with self._database.transaction() as connection:
            before = time.time() - older_than_seconds
            return connection.execute("DELETE FROM document WHERE deleted < ?", (before,)).rowcount

    def _change(self, document_id: str, fields: str, values: tuple[object, ...]) -> Document:
        with self._database.transaction() as connection:
            require_document(connection, document_id)
            connection.execute(
                f"UPDATE document SET {fields}, revision = revision + 1 WHERE id = ?", (*values, document_id)
            )
            return require_document(connection, document_id)

    def _refresh_texts(self) -> None:
        """Bring the texts that are searched up to date with the documents."""
        changed = (
            "SELECT document.* FROM document LEFT JOIN document_text ON document_text.document_id = document.id "
            "WHERE document.deleted IS NULL AND document_text.revision IS NOT document.revision"
        )
        with self._database.read() as connection:
            if connection.execute(f"{changed} LIMIT 1").fetchone() is None:
                return
        with self._database.transaction() as connection:
            for document in map(document_of, connection.execute(changed).fetchall()):
                connection.execute("DELETE FROM document_text WHERE document_id = ?", (document.id,))
                connection.execute(
                    "INSERT INTO document_text (document_id, revision, title, body) VALUES (?, ?, ?, ?)",
                    (document.id, document.revision, document.title, text_at(connection, document.head).text),
                )


def as_title(title: str) -> str:
    """In one line; raises BadRequest for an empty or long one."""
    bare = " ".join(storable(title, "title").split())
    if not 1 <= len(bare) <= LIMITS.title_chars:
        raise BadRequest(f"A title has 1 to {LIMITS.title_chars} characters.", field="title")
    return bare


def require_document(connection: sqlite3.Connection, document_id: str) -> Document:
    row = connection.execute("SELECT * FROM document WHERE id = ? AND deleted IS NULL", (document_id,)).fetchone()
    if row is None:
        raise NotFound("This document does not exist any more.", field="id")
    return document_of(row)


def document_of(row: sqlite3.Row) -> Document:
    return Document(
        id=row["id"],
        title=row["title"],
        folder=row["folder"],
        revision=row["revision"],
        created=row["created"],
        updated=row["updated"],
        head=row["head"],
        memory=row["memory"],
        note=row["note"],
        note_depth=row["note_depth"],
    )
