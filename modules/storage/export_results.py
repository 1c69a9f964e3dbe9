"""What became of exports, the newest first."""

import json
import sqlite3
from dataclasses import asdict

from modules.storage.database import Database, cleaned
from modules.types.exports import Agreement, ExportResult

KEPT = 500


class ExportResults:
    """Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, result: ExportResult) -> None:
        agreement = json.dumps(asdict(result.agreement)) if result.agreement is not None else ""
        row = (cleaned(result.name), result.kind, result.type, result.created, agreement, cleaned(result.error))
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO export_result (name, kind, type, created, agreement, error) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            connection.execute(
                "DELETE FROM export_result WHERE sequence NOT IN "
                "(SELECT sequence FROM export_result ORDER BY sequence DESC LIMIT ?)",
                (KEPT,),
            )

    def newest(self, limit: int = 100) -> list[ExportResult]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT * FROM export_result ORDER BY sequence DESC LIMIT ?", (limit,)).fetchall()
        return [result_of(row) for row in rows]


def result_of(row: sqlite3.Row) -> ExportResult:
    agreement = Agreement(**json.loads(row["agreement"])) if row["agreement"] else None
    return ExportResult(row["name"], row["kind"], row["type"], row["created"], agreement, row["error"])
