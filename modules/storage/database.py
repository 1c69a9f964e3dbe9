"""The one SQLite database: opened safely, migrated, and set aside when it is damaged."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from modules.errors import StartError, StorageError
from modules.storage.files import quarantine
from modules.storage.schema import MIGRATIONS, SEARCH_INDEX

BUSY_SECONDS = 5.0
IN_MEMORY = ":memory:"


class Database:
    """One connection behind one lock: every call is short, and a single writer is what SQLite has anyway.

    Any thread may call. `persistent` is false when the folder could not be written and everything lives in memory.
    """

    def __init__(self, connection: sqlite3.Connection, notices: tuple[str, ...], *, persistent: bool) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self.notices = notices
        self.persistent = persistent
        self.has_search_index = build_search_index(connection)

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Never overwrites: a damaged file is renamed and named in `notices`, a newer one raises StartError."""
        notices: list[str] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not is_sound(path):
                aside = set_aside(path)
                notices.append(f"The database was damaged. It was kept as {aside.name}, and a new one was begun.")
            connection = connect(str(path))
        except (OSError, sqlite3.OperationalError) as error:
            if is_locked(error):
                raise StartError("The database is locked by another program; close it and start again.") from error
            reason = error.strerror if isinstance(error, OSError) else str(error)
            notices.append(f"The data folder cannot be written ({reason}), so chats are not saved.")
            return cls(connect(IN_MEMORY), tuple(notices), persistent=False)
        return cls(connection, tuple(notices), persistent=True)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Everything inside is written, or nothing. Raises StorageError when the disk or another program refuses."""
        with self._lock, as_storage_error():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection, None, None]:
        with self._lock, as_storage_error():
            yield self._connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def connect(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to this program's version, one transaction a step."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StartError(
            f"The database was written by a newer Parlor (schema {version}; this one knows {len(MIGRATIONS)}). "
            "Update Parlor, or choose another folder with --data."
        )
    for step in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1}; COMMIT;")


def build_search_index(connection: sqlite3.Connection) -> bool:
    """Some builds of SQLite lack FTS5; search is slower then, but works."""
    try:
        connection.executescript(SEARCH_INDEX)
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return False
        raise
    return True


def is_sound(path: Path) -> bool:
    """Whether SQLite can read every page. A lock held by others is no damage."""
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        return connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.OperationalError as error:
        if is_locked(error) or "unable to open" in str(error) or "readonly" in str(error):
            raise
        return False
    except sqlite3.DatabaseError:
        return False
    finally:
        if connection is not None:
            connection.close()


def set_aside(path: Path) -> Path:
    """The damaged database with its journals, under one new name."""
    aside = quarantine(path)
    for suffix in ("-wal", "-shm"):
        journal = path.with_name(path.name + suffix)
        if journal.exists():
            journal.rename(aside.with_name(aside.name + suffix))
    return aside


def is_locked(error: BaseException) -> bool:
    return "locked" in str(error)


@contextmanager
def as_storage_error() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        if is_locked(error):
            message = "The database is locked by another program. Nothing was lost; try again when it has finished."
        elif "full" in str(error):
            message = "The disk is full, so this could not be saved. Free some space and try again."
        else:
            message = f"The database refused: {error}."
        raise StorageError(message) from error
