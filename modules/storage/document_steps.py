"""Which versions a document has shown, in turn: what undo and redo go through. All within the caller's transaction."""

import sqlite3
import time
from dataclasses import dataclass
from typing import Literal

Direction = Literal["back", "forth"]
NEXT = {
    "back": "step.id < document.step ORDER BY step.id DESC",
    "forth": "step.id > document.step ORDER BY step.id",
}


@dataclass(frozen=True)
class Step:
    id: int
    version: int


def show(connection: sqlite3.Connection, document_id: str, version: int) -> None:
    """As the head. It is a step of its own, unless it is shown already; what was undone cannot be redone then."""
    head = connection.execute("SELECT head FROM document WHERE id = ?", (document_id,)).fetchone()["head"]
    if head != version:
        connection.execute(
            "DELETE FROM document_step WHERE document_id = ? AND id > (SELECT step FROM document WHERE id = ?)",
            (document_id, document_id),
        )
        add_step(connection, document_id, version)
    connection.execute(
        "UPDATE document SET revision = revision + 1, updated = ? WHERE id = ?", (time.time(), document_id)
    )


def add_step(connection: sqlite3.Connection, document_id: str, version: int) -> None:
    step = connection.execute(
        "INSERT INTO document_step (document_id, version) VALUES (?, ?)", (document_id, version)
    ).lastrowid
    connection.execute("UPDATE document SET head = ?, step = ? WHERE id = ?", (version, step, document_id))


def step_from(connection: sqlite3.Connection, document_id: str, direction: Direction) -> Step | None:
    """The one before the present one, or after it."""
    row = connection.execute(
        "SELECT step.id, step.version FROM document_step AS step JOIN document ON document.id = step.document_id "
        f"WHERE step.document_id = ? AND {NEXT[direction]} LIMIT 1",
        (document_id,),
    ).fetchone()
    return Step(row["id"], row["version"]) if row else None


def turn_to(connection: sqlite3.Connection, document_id: str, step: Step) -> None:
    connection.execute(
        "UPDATE document SET head = ?, step = ?, revision = revision + 1, updated = ? WHERE id = ?",
        (step.version, step.id, time.time(), document_id),
    )
