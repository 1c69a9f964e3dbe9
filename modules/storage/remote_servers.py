"""Servers that run models for us, with their keys, which leave this file for their worker alone."""

import json
import sqlite3

from modules.storage.database import Database
from modules.types.remote import Endpoint, RemoteServer


class RemoteServerStore:
    """By name. Any thread may call. The database is for its owner's eyes only, as a file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def servers(self) -> list[RemoteServer]:
        """By name."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT * FROM remote_server ORDER BY name COLLATE NOCASE").fetchall()
        return [server_of(row) for row in rows]

    def get(self, name: str) -> RemoteServer | None:
        return next((server for server in self.servers() if server.name == name), None)

    def endpoint(self, name: str, model: str) -> Endpoint | None:
        """How to reach a model of this server, key included."""
        with self._database.read() as connection:
            row = connection.execute("SELECT address, key FROM remote_server WHERE name = ?", (name,)).fetchone()
        return Endpoint(row["address"], model, row["key"]) if row else None

    def put(self, server: RemoteServer, key: str) -> None:
        """In the place of one that had its name."""
        values = (server.name, server.address, key, json.dumps(server.models), server.checked, server.error)
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO remote_server VALUES (?, ?, ?, ?, ?, ?)", values)

    def update(self, server: RemoteServer) -> None:
        """What it said of itself; nothing where it was removed, or another took its name, meanwhile."""
        values = (json.dumps(server.models), server.checked, server.error, server.name, server.address)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE remote_server SET models = ?, checked = ?, error = ? WHERE name = ? AND address = ?", values
            )

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM remote_server WHERE name = ?", (name,)).rowcount > 0


def server_of(row: sqlite3.Row) -> RemoteServer:
    return RemoteServer(
        row["name"], row["address"], bool(row["key"]), tuple(json.loads(row["models"])), row["checked"], row["error"]
    )
