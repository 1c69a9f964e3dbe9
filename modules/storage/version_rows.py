"""Rows of versions: made, shown as the head, removed, read. All within the caller's transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence

from modules.errors import BadRequest, Conflict, NotFound
from modules.storage.origins import spliced
from modules.storage.version_texts import origins_text, text_at
from modules.types.conversation import MessageState
from modules.types.document import TYPED, Origin, Splice, Version, VersionKind

# A whole text is kept every so many versions, of long texts less often: at most about this many characters a version.
WHOLE_EVERY = 64
WHOLE_CHARS = 1024
PREVIEW_CHARS = 120
SHOWN = (
    "id, document_id, parent, kind, start, removed, length(inserted) AS inserted_chars, "
    f"substr(inserted, 1, {PREVIEW_CHARS}) AS preview, length, created, state, model, error, stats"
)


def insert_version(
    connection: sqlite3.Connection,
    document_id: str,
    parent: int,
    kind: VersionKind,
    splice: Splice,
    *,
    kept: Sequence[Origin] = (),
    state: MessageState = "complete",
    model: str = "",
) -> int:
    """Returns its number. Raises BadRequest for a splice beyond the parent's text."""
    above = connection.execute("SELECT length, since_whole FROM document_version WHERE id = ?", (parent,)).fetchone()
    if not 0 <= splice.start <= splice.end <= above["length"]:
        raise BadRequest(f"The text has {above['length']:,} characters; this place is not among them.", field="start")
    length = above["length"] - splice.removed + len(splice.inserted)
    since_whole = above["since_whole"] + 1
    whole_text = origins = None
    # A version that is being written will change, so those below it keep whole texts.
    if state == "complete" and since_whole >= max(WHOLE_EVERY, length // WHOLE_CHARS):
        traced = spliced(text_at(connection, parent), splice, [Origin(TYPED, 0, len(splice.inserted))])
        whole_text, origins, since_whole = traced.text, origins_text(traced.origins), 0
    version = connection.execute(
        "INSERT INTO document_version (document_id, parent, kind, start, removed, inserted, kept, begun, length, "
        "since_whole, whole_text, origins, state, model, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document_id,
            parent,
            kind,
            splice.start,
            splice.removed,
            splice.inserted,
            origins_text(kept),
            len(splice.inserted),
            length,
            since_whole,
            whole_text,
            origins,
            state,
            model,
            time.time(),
        ),
    ).lastrowid
    assert version is not None
    return version


def remove_empty(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """A version that inserted nothing; what was shown before it is shown again."""
    version, document_id = row["id"], row["document_id"]
    connection.execute("DELETE FROM document_step WHERE version = ?", (version,))
    connection.execute(
        "UPDATE document SET head = before.version, step = before.id FROM "
        "(SELECT step.id, step.version FROM document_step AS step JOIN document ON document.id = step.document_id "
        "WHERE step.document_id = ? AND step.id <= document.step ORDER BY step.id DESC LIMIT 1) AS before "
        "WHERE document.head = ?",
        (document_id, version),
    )
    connection.execute("DELETE FROM document_version WHERE id = ?", (version,))


def require_head(connection: sqlite3.Connection, document_id: str, base: int) -> None:
    row = connection.execute("SELECT head FROM document WHERE id = ? AND deleted IS NULL", (document_id,)).fetchone()
    if row is None:
        raise NotFound("This document does not exist any more.", field="id")
    if row["head"] != base:
        raise Conflict("This document was changed in another tab.", field="version")


def require_version(connection: sqlite3.Connection, document_id: str, version: int, fields: str = SHOWN) -> sqlite3.Row:
    row = connection.execute(
        f"SELECT {fields} FROM document_version WHERE id = ? AND document_id = ?", (version, document_id)
    ).fetchone()
    if row is None:
        raise NotFound("This version does not exist any more.", field="version")
    return row


def version_of(row: sqlite3.Row, *, on_path: bool = False) -> Version:
    return Version(
        id=row["id"],
        document_id=row["document_id"],
        parent=row["parent"],
        kind=row["kind"],
        start=row["start"],
        removed=row["removed"],
        inserted_chars=row["inserted_chars"],
        preview=row["preview"],
        length=row["length"],
        created=row["created"],
        state=row["state"],
        model=row["model"],
        error=row["error"],
        stats=json.loads(row["stats"]),
        on_path=on_path,
    )
