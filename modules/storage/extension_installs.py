"""What is known of the extensions that a person installed: the current version of each, and the one before."""

import sqlite3
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from modules.storage.database import Database, cleaned, read_only
from modules.types.extension_installs import InstallRecord

# `next` is there only while folders are being moved; see extension_versions.
Place = Literal["current", "previous", "next"]
RECORD = TypeAdapter(InstallRecord)


class ExtensionInstalls:
    """By the extension's name. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, place: Place = "current") -> dict[str, InstallRecord]:
        with self._database.read() as connection:
            return records_of(connection, place)

    def find(self, name: str, place: Place = "current") -> InstallRecord | None:
        return self.all(place).get(name)

    def announce(self, record: InstallRecord) -> None:
        """Before its folder is moved into place: it is to become the current one."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO extension_install (name, place, record) VALUES (?, 'next', ?)",
                (record.name, cleaned(RECORD.dump_json(record).decode())),
            )

    def confirm(self, name: str) -> None:
        """Its folder is in place: what was current is the previous one now."""
        with self._database.transaction() as connection:
            for before, after in (("current", "previous"), ("next", "current")):
                connection.execute(
                    "UPDATE OR REPLACE extension_install SET place = ? WHERE name = ? AND place = ?",
                    (after, name, before),
                )

    def forget(self, name: str, *places: Place) -> None:
        """All that is known of it, or what is at these places."""
        with self._database.transaction() as connection:
            for place in places or ("current", "previous", "next"):
                connection.execute("DELETE FROM extension_install WHERE name = ? AND place = ?", (name, place))


def read_installs(database: Path) -> dict[str, InstallRecord]:
    """The current ones in a database that nothing else is asked of; none when it cannot be read."""
    try:
        with read_only(database) as connection:
            return records_of(connection, "current")
    except sqlite3.Error:
        return {}


def records_of(connection: sqlite3.Connection, place: Place) -> dict[str, InstallRecord]:
    rows = connection.execute("SELECT record FROM extension_install WHERE place = ?", (place,)).fetchall()
    records = [RECORD.validate_json(text) for (text,) in rows]
    return {record.name: record for record in records}
