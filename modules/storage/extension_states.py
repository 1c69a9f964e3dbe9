"""Which extensions are enabled, in which order, and what is set of them."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modules.storage.database import Database, read_only


class ExtensionStates:
    """By the extension's name. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enabled(self) -> tuple[str, ...]:
        """In the order in which they were enabled, or as a person has moved them since."""
        with self._database.read() as connection:
            return enabled_of(connection)

    def enable(self, name: str) -> None:
        """The last in order, unless it is enabled already."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO extension (name) VALUES (?)", (name,))
            connection.execute(
                "UPDATE extension SET place = (SELECT max(place) + 1 FROM extension) WHERE name = ? AND place = 0",
                (name,),
            )

    def disable(self, name: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE extension SET place = 0 WHERE name = ?", (name,))

    def move(self, name: str, steps: int) -> None:
        """So many places later in the order, or earlier; as far as there are any. Nothing for one that is disabled."""
        with self._database.transaction() as connection:
            order = list(enabled_of(connection))
            if name not in order:
                return
            place = max(order.index(name) + steps, 0)
            order.remove(name)
            order.insert(place, name)
            places = [(place, one) for place, one in enumerate(order, start=1)]
            connection.executemany("UPDATE extension SET place = ? WHERE name = ?", places)

    def settings(self, name: str) -> dict[str, Any]:
        """Empty where nothing was set."""
        with self._database.read() as connection:
            row = connection.execute("SELECT settings FROM extension WHERE name = ?", (name,)).fetchone()
        return json.loads(row["settings"]) if row else {}

    def set_settings(self, name: str, values: Mapping[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO extension (name) VALUES (?)", (name,))
            connection.execute("UPDATE extension SET settings = ? WHERE name = ?", (json.dumps(dict(values)), name))

    def forget(self, name: str) -> None:
        """All that is kept of it."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM extension WHERE name = ?", (name,))


def read_enabled(database: Path) -> tuple[str, ...]:
    """Those in a database that nothing else is asked of; none when it cannot be read."""
    try:
        with read_only(database) as connection:
            return enabled_of(connection)
    except sqlite3.Error:
        return ()


def enabled_of(connection: sqlite3.Connection) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM extension WHERE place > 0 ORDER BY place").fetchall()
    return tuple(name for (name,) in rows)
