"""The texts of documents in the database: a tree of versions, each a splice of its parent."""

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from modules.errors import BadRequest, Conflict, NotFound
from modules.storage.conversations import INTERRUPTED
from modules.storage.database import Database, cleaned
from modules.storage.document_tokens import add_tokens, token_at, token_runs
from modules.storage.origins import spliced
from modules.types.conversation import MessageState
from modules.types.document import (
    TYPED,
    Branch,
    Draft,
    Origin,
    Splice,
    TokenRun,
    TracedText,
    Version,
    VersionKind,
    WrittenToken,
)

# A whole text is kept every so many versions, of long texts less often: at most about this many characters a version.
WHOLE_EVERY = 64
WHOLE_CHARS = 1024
PREVIEW_CHARS = 120
MOST_BRANCHES = 200
SHOWN = (
    "id, document_id, parent, kind, start, removed, length(inserted) AS inserted_chars, "
    f"substr(inserted, 1, {PREVIEW_CHARS}) AS preview, length, created, state, model, error, stats"
)
PATH = """
    WITH RECURSIVE path (id, parent) AS (
        SELECT id, parent FROM document_version WHERE id = ?
        UNION ALL
        SELECT version.id, version.parent FROM document_version AS version JOIN path ON version.id = path.parent
        WHERE version.id >= ?
    )
"""


class VersionStore:
    """Any thread may call. A change that names a `base` other than the document's head raises Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, document_id: str, version: int) -> Version:
        with self._database.read() as connection:
            return version_of(require_version(connection, document_id, version))

    def text(self, document_id: str, version: int, *, without_written: bool = False) -> TracedText:
        """Of any version; `without_written` leaves out what it generated itself."""
        with self._database.read() as connection:
            require_version(connection, document_id, version)
            return text_at(connection, version, without_written=without_written)

    def inserted(self, document_id: str, version: int) -> TracedText:
        """What it put in."""
        with self._database.read() as connection:
            row = require_version(connection, document_id, version, fields="*")
            return TracedText(row["inserted"], inserted_origins(row))

    def begun(self, document_id: str, version: int) -> int:
        """How many characters it had inserted before it generated any."""
        with self._database.read() as connection:
            return require_version(connection, document_id, version, fields="begun")["begun"]

    def runs(self, traced: TracedText) -> list[TokenRun]:
        """The generated tokens that still stand in a text."""
        with self._database.read() as connection:
            return token_runs(connection, traced)

    def token(self, document_id: str, version: int, place: int) -> WrittenToken:
        with self._database.read() as connection:
            return token_at(connection, document_id, version, place)

    def child(self, version: int) -> int | None:
        """The one that was shown last, or else the newest."""
        with self._database.read() as connection:
            return chosen_child(connection, version)

    def append(self, document_id: str, base: int, splice: Splice) -> Version:
        """What a person typed becomes the head; a splice of nothing leaves the head as it is."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            if not splice.removed and not splice.inserted:
                return self.get(document_id, base)
            version = insert_version(connection, document_id, base, "typed", splice)
            show(connection, document_id, base, version)
            return self.get(document_id, version)

    def begin(self, document_id: str, base: int, draft: Draft, *, count: int, model: str) -> list[Version]:
        """Versions that are about to be generated; a single one becomes the head, of several the parent does."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            begun = [
                insert_version(
                    connection,
                    document_id,
                    draft.parent,
                    "generated",
                    draft.splice,
                    kept=draft.kept,
                    state="streaming",
                    model=model,
                )
                for _ in range(count)
            ]
            if count == 1:
                show(connection, document_id, draft.parent, begun[0])
            else:
                set_head(connection, document_id, draft.parent)
            return [self.get(document_id, version) for version in begun]

    def write(
        self,
        version: int,
        inserted: str,
        tokens: Sequence[WrittenToken],
        first: int,
        *,
        state: MessageState = "streaming",
        error: str = "",
        stats: dict[str, Any] | None = None,
    ) -> None:
        """What a version says so far, or finally, and further tokens of it, from number `first` on.

        One that has ended with nothing inserted is removed, and its parent shown.
        """
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM document_version WHERE id = ?", (version,)).fetchone()
            if row is None:
                return
            length = row["length"] - len(row["inserted"]) + len(inserted)
            connection.execute(
                "UPDATE document_version SET inserted = ?, length = ?, state = ?, error = ?, stats = ? WHERE id = ?",
                (inserted, length, state, cleaned(error), json.dumps(stats or {}), version),
            )
            add_tokens(connection, version, tokens, first)
            if state == "streaming":
                return
            connection.execute(
                "UPDATE document SET revision = revision + 1, updated = ? WHERE id = ?",
                (time.time(), row["document_id"]),
            )
            if not inserted:
                remove_empty(connection, row)

    def undo(self, document_id: str, base: int) -> None:
        """Show the parent."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            parent = require_version(connection, document_id, base)["parent"]
            if parent is None:
                raise BadRequest("There is nothing to undo.", field="version")
            set_head(connection, document_id, parent)

    def redo(self, document_id: str, base: int) -> None:
        """Show the child that was shown last, or else the newest."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            child = chosen_child(connection, base)
            if child is None:
                raise BadRequest("There is nothing to redo.", field="version")
            show(connection, document_id, base, child)

    def select(self, document_id: str, base: int, target: int) -> None:
        """Show any version; the path to it is remembered for when a person comes back to an earlier one of it."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            require_version(connection, document_id, target)
            connection.execute(
                PATH + "UPDATE document_version SET chosen_child = path.id FROM path "
                "WHERE document_version.id = path.parent AND document_version.chosen_child IS NOT path.id",
                (target, 0),
            )
            set_head(connection, document_id, target)

    def versions(self, document_id: str, head: int, *, before: int | None, limit: int) -> list[Version]:
        """Newest first, those that are older than `before`."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {SHOWN} FROM document_version WHERE document_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
                (document_id, 2**62 if before is None else before, limit),
            ).fetchall()
            oldest = rows[-1]["id"] if rows else 0
            path = {row["id"] for row in connection.execute(PATH + "SELECT id FROM path", (head, oldest))}
        return [version_of(row, on_path=row["id"] in path) for row in rows]

    def branches(self, document_id: str, head: int) -> list[Branch]:
        """The versions that none follows, newest first."""
        with self._database.read() as connection:
            parents: dict[int, int | None] = {
                row["id"]: row["parent"]
                for row in connection.execute(
                    "SELECT id, parent FROM document_version WHERE document_id = ?", (document_id,)
                )
            }
            path = set(line_of(head, parents))
            leaves = sorted(parents.keys() - set(parents.values()), reverse=True)[:MOST_BRANCHES]
            marks = ", ".join("?" * len(leaves))
            rows = connection.execute(f"SELECT {SHOWN} FROM document_version WHERE id IN ({marks})", leaves).fetchall()
        found = {row["id"]: version_of(row, on_path=row["id"] in path) for row in rows}
        return [
            Branch(found[leaf], next(version for version in line_of(leaf, parents) if version in path))
            for leaf in leaves
        ]

    def interrupted(self) -> int:
        """At the start: versions that were being written when the program ended; their text is kept."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM document_version WHERE state = 'streaming'").fetchall()
            connection.execute(
                "UPDATE document_version SET state = 'stopped', error = ? WHERE state = 'streaming'", (INTERRUPTED,)
            )
            for row in rows:
                if not row["inserted"]:
                    remove_empty(connection, row)
            return len(rows)


def text_at(connection: sqlite3.Connection, version: int, *, without_written: bool = False) -> TracedText:
    """From the nearest whole text on the way to the root, splice by splice."""
    rows = connection.execute(
        """
        WITH RECURSIVE path AS (
            SELECT *, 0 AS depth FROM document_version WHERE id = ?
            UNION ALL
            SELECT version.*, path.depth + 1 FROM document_version AS version JOIN path ON version.id = path.parent
            WHERE path.whole_text IS NULL
        )
        SELECT * FROM path ORDER BY depth DESC
        """,
        (version,),
    ).fetchall()
    whole, *later = rows
    traced = TracedText(whole["whole_text"], origins_of(whole["origins"]))
    for row in later:
        inserted, origins = row["inserted"], inserted_origins(row)
        if without_written and row["id"] == version:
            origins = origins_of(row["kept"])
            inserted = inserted[: sum(origin.length for origin in origins)]
        traced = spliced(traced, Splice(row["start"], row["removed"], inserted), origins)
    return traced


def inserted_origins(row: sqlite3.Row) -> tuple[Origin, ...]:
    length = len(row["inserted"])
    if row["kind"] != "generated":
        return (Origin(TYPED, 0, length),)
    kept = origins_of(row["kept"])
    begun = sum(origin.length for origin in kept)
    return (*kept, Origin(row["id"], begun, length - begun))


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


def show(connection: sqlite3.Connection, document_id: str, parent: int, version: int) -> None:
    connection.execute("UPDATE document_version SET chosen_child = ? WHERE id = ?", (version, parent))
    set_head(connection, document_id, version)


def set_head(connection: sqlite3.Connection, document_id: str, version: int) -> None:
    connection.execute(
        "UPDATE document SET head = ?, revision = revision + 1, updated = ? WHERE id = ?",
        (version, time.time(), document_id),
    )


def remove_empty(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """A version that inserted nothing; its parent is shown in its place."""
    version, parent = row["id"], row["parent"]
    connection.execute("UPDATE document SET head = ? WHERE head = ?", (parent, version))
    connection.execute(
        "UPDATE document_version SET chosen_child = NULL WHERE id = ? AND chosen_child = ?", (parent, version)
    )
    connection.execute("DELETE FROM document_version WHERE id = ?", (version,))


def chosen_child(connection: sqlite3.Connection, version: int) -> int | None:
    row = connection.execute(
        "SELECT id FROM document_version WHERE parent = ? "
        "ORDER BY id IS (SELECT chosen_child FROM document_version WHERE id = ?) DESC, id DESC LIMIT 1",
        (version, version),
    ).fetchone()
    return row["id"] if row else None


def line_of(version: int, parents: dict[int, int | None]) -> list[int]:
    """From a version to the first."""
    line: list[int] = []
    place: int | None = version
    while place is not None:
        line.append(place)
        place = parents[place]
    return line


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


def origins_of(stored: str) -> tuple[Origin, ...]:
    return tuple(Origin(*one) for one in json.loads(stored))


def origins_text(origins: Sequence[Origin]) -> str:
    return json.dumps([[one.version, one.start, one.length] for one in origins], separators=(",", ":"))
