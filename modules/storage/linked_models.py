"""Models that lie elsewhere and were imported without a copy."""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from modules.storage.database import Database, cleaned, read_only


@dataclass(frozen=True)
class LinkedModel:
    name: str
    path: Path


class LinkedModels:
    """Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[LinkedModel]:
        """Oldest first."""
        with self._database.read() as connection:
            return links_of(connection)

    def add(self, name: str, path: Path) -> None:
        """Replaces one of that name. Paths are bytes to the system: those that are no UTF-8 are kept as they are."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO linked_model (name, path, created) VALUES (?, ?, ?)",
                (cleaned(name), os.fsencode(path), time.time()),
            )

    def rename(self, name: str, new_name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE linked_model SET name = ? WHERE name = ?", (cleaned(new_name), cleaned(name)))

    def remove(self, name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM linked_model WHERE name = ?", (cleaned(name),))


def read_links(database: Path) -> list[LinkedModel]:
    """Those in a database that nothing else is asked of; none when it cannot be read."""
    try:
        with read_only(database) as connection:
            return links_of(connection)
    except sqlite3.Error:
        return []


def links_of(connection: sqlite3.Connection) -> list[LinkedModel]:
    rows = connection.execute("SELECT name, path FROM linked_model ORDER BY created, rowid").fetchall()
    return [LinkedModel(name, Path(os.fsdecode(path))) for name, path in rows]
