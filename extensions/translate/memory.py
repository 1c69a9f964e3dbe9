"""Translations that were made, so that earlier messages of a conversation are not translated again."""

import hashlib
import sqlite3
import threading
from pathlib import Path

FILE = "translations.db"
MOST = 20_000


class Memory:
    """Any thread may call. Without `open` nothing is remembered."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def open(self, folder: Path) -> None:
        """One that cannot be opened is begun anew: it holds nothing that cannot be made again."""
        try:
            self._connection = connected(folder / FILE)
        except sqlite3.DatabaseError:
            (folder / FILE).unlink(missing_ok=True)
            self._connection = connected(folder / FILE)

    def find(self, language: str, text: str) -> str | None:
        with self._lock:
            if self._connection is None:
                return None
            rows = self._connection.execute("SELECT text FROM translation WHERE key = ?", (key(language, text),))
            row = rows.fetchone()
        return row[0] if row else None

    def keep(self, language: str, text: str, translation: str) -> None:
        with self._lock:
            if self._connection is None:
                return
            self._connection.execute(
                "INSERT OR REPLACE INTO translation (key, text) VALUES (?, ?)", (key(language, text), translation)
            )
            self._connection.execute(
                "DELETE FROM translation WHERE rowid <= (SELECT max(rowid) FROM translation) - ?", (MOST,)
            )
            self._connection.commit()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("CREATE TABLE IF NOT EXISTS translation (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
    return connection


def key(language: str, text: str) -> str:
    return hashlib.sha256(f"{language}\0{text}".encode()).hexdigest()
