"""What a person wants to remember of a model: favourite, note, when it was used last."""

import time
from dataclasses import dataclass

from modules.storage.database import Database, cleaned


@dataclass(frozen=True)
class ModelRecord:
    """`last_used` is Unix seconds, None for never."""

    favourite: bool = False
    note: str = ""
    last_used: float | None = None


class ModelRecords:
    """By the model's id, also of models that are not here at the moment. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, ModelRecord]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT model_id, favourite, note, last_used FROM model_record").fetchall()
        return {row["model_id"]: ModelRecord(bool(row["favourite"]), row["note"], row["last_used"]) for row in rows}

    def set_favourite(self, model_id: str, favourite: bool) -> None:
        self._set(model_id, "favourite", favourite)

    def set_note(self, model_id: str, note: str) -> None:
        self._set(model_id, "note", cleaned(note))

    def used(self, model_id: str) -> None:
        self._set(model_id, "last_used", time.time())

    def rename(self, model_id: str, new_id: str) -> None:
        """What was remembered under the new id is forgotten."""
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM model_record WHERE model_id = ?", (cleaned(model_id),)).fetchone():
                connection.execute(
                    "UPDATE OR REPLACE model_record SET model_id = ? WHERE model_id = ?",
                    (cleaned(new_id), cleaned(model_id)),
                )

    def _set(self, model_id: str, column: str, value: object) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO model_record (model_id, {column}) VALUES (?, ?) "
                f"ON CONFLICT (model_id) DO UPDATE SET {column} = excluded.{column}",
                (cleaned(model_id), value),
            )
