"""Which parameters each scope has: a preset, and changes to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.storage.database import Database, cleaned
from modules.types.presets import Scope, ScopeKind


@dataclass(frozen=True)
class StoredParameters:
    """`preset` is empty for the defaults; `changes` are JSON values by name."""

    preset: str
    changes: dict[str, Any]


class ParameterStore:
    """Any thread may call. `forget_gone` is done at the start, so that nothing stays of what is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, scope: Scope) -> StoredParameters | None:
        """None for a scope without parameters of its own."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT preset, changes FROM parameter_scope WHERE kind = ? AND target = ?",
                (scope.kind, cleaned(scope.target)),
            ).fetchone()
        return StoredParameters(row["preset"], json.loads(row["changes"])) if row else None

    def put(self, scope: Scope, preset: str, changes: Mapping[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO parameter_scope (kind, target, preset, changes) VALUES (?, ?, ?, ?)",
                (scope.kind, cleaned(scope.target), preset, json.dumps(dict(changes))),
            )

    def remove(self, scope: Scope) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM parameter_scope WHERE kind = ? AND target = ?", (scope.kind, cleaned(scope.target))
            )

    def using(self, preset: str) -> list[tuple[Scope, StoredParameters]]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT * FROM parameter_scope WHERE preset = ?", (preset,)).fetchall()
        return [
            (Scope(row["kind"], row["target"]), StoredParameters(preset, json.loads(row["changes"]))) for row in rows
        ]

    def rename_preset(self, name: str, new_name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE parameter_scope SET preset = ? WHERE preset = ?", (new_name, name))

    def rename_target(self, kind: ScopeKind, target: str, new_target: str) -> None:
        """What was set under the new one is replaced."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE OR REPLACE parameter_scope SET target = ? WHERE kind = ? AND target = ?",
                (cleaned(new_target), kind, cleaned(target)),
            )

    def forget_gone(self) -> None:
        """Those of conversations and documents that were deleted for good."""
        with self._database.transaction() as connection:
            for kind in ("conversation", "document"):
                connection.execute(
                    f"DELETE FROM parameter_scope WHERE kind = ? "
                    f"AND NOT EXISTS (SELECT 1 FROM {kind} WHERE {kind}.id = parameter_scope.target)",
                    (kind,),
                )
