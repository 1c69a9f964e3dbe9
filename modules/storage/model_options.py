"""What each model was last loaded with."""

import json
from typing import Any

from modules.storage.database import Database, cleaned


class ModelOptionsStore:
    """Options by model and engine, JSON values by name. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model_id: str, engine: str) -> dict[str, Any]:
        """Empty when nothing is remembered."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT options FROM model_options WHERE model_id = ? AND engine = ?", (cleaned(model_id), engine)
            ).fetchone()
        return json.loads(row["options"]) if row else {}

    def put(self, model_id: str, engine: str, options: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO model_options (model_id, engine, options) VALUES (?, ?, ?)",
                (cleaned(model_id), engine, json.dumps(options)),
            )

    def rename(self, model_id: str, new_id: str) -> None:
        """What was remembered under the new id is replaced."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE OR REPLACE model_options SET model_id = ? WHERE model_id = ?",
                (cleaned(new_id), cleaned(model_id)),
            )
