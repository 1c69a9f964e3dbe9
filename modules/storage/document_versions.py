"""The texts of documents in the database: a tree of versions, each a splice of its parent."""

import json
import time
from collections.abc import Sequence
from typing import Any

from modules.errors import BadRequest
from modules.storage.conversations import INTERRUPTED
from modules.storage.database import Database, cleaned
from modules.storage.document_steps import Direction, show, step_from, turn_to
from modules.storage.document_tokens import add_tokens, token_at, token_runs
from modules.storage.version_rows import (
    SHOWN,
    insert_version,
    remove_empty,
    require_head,
    require_version,
    version_of,
)
from modules.storage.version_texts import inserted_origins, text_at
from modules.types.conversation import MessageState
from modules.types.document import (
    Branch,
    Draft,
    Splice,
    TokenRun,
    TracedText,
    Version,
    WrittenToken,
)

MOST_BRANCHES = 200
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

    def can_step(self, document_id: str) -> tuple[bool, bool]:
        """Whether there is something to undo, and something to redo."""
        with self._database.read() as connection:
            back, forth = (step_from(connection, document_id, direction) for direction in ("back", "forth"))
            return back is not None, forth is not None

    def append(self, document_id: str, base: int, splice: Splice) -> Version:
        """What a person typed becomes the head; a splice of nothing leaves the head as it is."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            if not splice.removed and not splice.inserted:
                return self.get(document_id, base)
            version = insert_version(connection, document_id, base, "typed", splice)
            show(connection, document_id, version)
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
            show(connection, document_id, begun[0] if count == 1 else draft.parent)
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

        One that has ended with nothing inserted is removed, and what was shown before it is shown again.
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
        """Show what was shown before the last change."""
        self._step(document_id, base, "back", "There is nothing to undo.")

    def redo(self, document_id: str, base: int) -> None:
        """Show what was shown before the last undo; a change in between leaves nothing to redo."""
        self._step(document_id, base, "forth", "There is nothing to redo.")

    def select(self, document_id: str, base: int, target: int) -> None:
        """Show any version."""
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            require_version(connection, document_id, target)
            show(connection, document_id, target)

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

    def _step(self, document_id: str, base: int, direction: Direction, refusal: str) -> None:
        with self._database.transaction() as connection:
            require_head(connection, document_id, base)
            step = step_from(connection, document_id, direction)
            if step is None:
                raise BadRequest(refusal, field="version")
            turn_to(connection, document_id, step)


def line_of(version: int, parents: dict[int, int | None]) -> list[int]:
    """From a version to the first."""
    line: list[int] = []
    place: int | None = version
    while place is not None:
        line.append(place)
        place = parents[place]
    return line
