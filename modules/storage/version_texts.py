"""The text of a version, put together from the splices that led to it."""

import json
import sqlite3
from collections.abc import Sequence

from modules.storage.origins import spliced
from modules.types.document import TYPED, Origin, Splice, TracedText


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


def origins_of(stored: str) -> tuple[Origin, ...]:
    return tuple(Origin(*one) for one in json.loads(stored))


def origins_text(origins: Sequence[Origin]) -> str:
    return json.dumps([[one.version, one.start, one.length] for one in origins], separators=(",", ":"))
