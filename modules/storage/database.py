"""The one SQLite database: opened safely, migrated, and set aside when it is damaged."""

import re
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from modules.errors import BadRequest, StartError, StorageError
from modules.storage.files import quarantine
from modules.storage.schema import FILL_SEARCH_INDEX, MIGRATIONS, SEARCH_INDEX

BUSY_SECONDS = 5.0
IN_MEMORY = ":memory:"
LOCKED = "The database is locked by another program. Nothing was lost; try again when it has finished."
LOCK_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Errors that say nothing about the file itself: a sound database must never be set aside for one of them.
CIRCUMSTANCES = LOCK_CODES | {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class Database:
    """One connection that writes and one that reads, so that reading goes on while a writer waits for another program.

    Any thread may call; no call waits much longer than BUSY_SECONDS, however many threads want to write.
    `persistent` is false when the folder could not be written and everything lives in memory, on one connection.
    """

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, notices: tuple[str, ...], *, persistent: bool
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._writer_lock = threading.RLock()
        self._reader_lock = self._writer_lock if reader is writer else threading.RLock()
        self._writing_thread = 0
        self.notices = notices
        self.persistent = persistent
        self.has_search_index = build_search_index(writer)

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Never overwrites: a damaged file is renamed and named in `notices`, a newer one raises StartError."""
        notices: list[str] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not is_sound(path):
                aside = set_aside(path)
                notices.append(f"The database was damaged. It was kept as {aside.name}, and a new one was begun.")
            path.touch(mode=0o600)
            writer = connect(str(path))
            database = cls(writer, open_connection(str(path)), tuple(notices), persistent=True)
        except (OSError, sqlite3.OperationalError) as error:
            if is_locked(error):
                raise StartError("The database is locked by another program; close it and start again.") from error
            reason = error.strerror if isinstance(error, OSError) else str(error)
            notices.append(f"The data folder cannot be written ({reason}), so chats are not saved.")
            memory = connect(IN_MEMORY)
            return cls(memory, memory, tuple(notices), persistent=False)
        return database

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Everything inside is written, or nothing. Raises StorageError when the disk or another program refuses."""
        with as_storage_error(), held(self._writer_lock, self._writer):
            self._writer.execute("BEGIN IMMEDIATE")
            self._writing_thread = threading.get_ident()
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._writing_thread = 0

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection, None, None]:
        """One moment of the database; inside a transaction of this thread, with what it has changed so far."""
        if self._writing_thread == threading.get_ident():
            yield self._writer
            return
        with as_storage_error(), held(self._reader_lock, self._reader):
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                with suppress(sqlite3.Error):
                    self._reader.execute("ROLLBACK")

    def close(self) -> None:
        with self._reader_lock:
            self._reader.close()
        with self._writer_lock:
            self._writer.close()


@contextmanager
def read_only(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """For programs that ask one thing and write nothing, also while another has it open. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


@contextmanager
def held(lock: threading.RLock, connection: sqlite3.Connection) -> Generator[None, None, None]:
    """The connection for one thread. Waiting for other threads and for other programs share one allowance of time."""
    deadline = time.monotonic() + BUSY_SECONDS
    if not lock.acquire(timeout=BUSY_SECONDS):
        raise StorageError(LOCKED)
    try:
        left = max(0.0, deadline - time.monotonic())
        connection.execute(f"PRAGMA busy_timeout = {round(left * 1000)}")
        yield
    finally:
        lock.release()


def connect(place: str) -> sqlite3.Connection:
    """The connection that writes, with the schema brought to this program's version."""
    connection = open_connection(place)
    try:
        refuse_newer(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_connection(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def refuse_newer(connection: sqlite3.Connection) -> None:
    version = schema_version(connection)
    if version > len(MIGRATIONS):
        raise StartError(
            f"The database was written by a newer Parlor (schema {version}; this one knows {len(MIGRATIONS)}). "
            "Update Parlor, or choose another folder with --data."
        )


def migrate(connection: sqlite3.Connection) -> None:
    """One transaction a step. A step that does not fit what is in the file raises StartError and changes nothing."""
    for step in range(schema_version(connection), len(MIGRATIONS)):
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1}; COMMIT;")
        except sqlite3.Error as error:
            if primary_code(error) in CIRCUMSTANCES:
                raise
            raise StartError(
                f"The database could not be brought from schema {step} to {step + 1} ({error}), and was left as it "
                "was. It may belong to another program; choose another folder with --data."
            ) from error


def build_search_index(connection: sqlite3.Connection) -> bool:
    """Whether there is an index. Some builds of SQLite lack FTS5; search is slower then, but works.

    A folder may move between builds and versions. Without FTS5 the triggers must go, or nothing could be written; an
    index whose triggers are not those of this version is made anew.
    """
    triggers = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    can_index = has_fts5(connection)
    if can_index and triggers == set(re.findall(r"TRIGGER IF NOT EXISTS (\w+)", SEARCH_INDEX)):
        return True
    dropped = "".join(f"DROP TRIGGER {name};" for name in sorted(triggers))
    built = f"DROP TABLE IF EXISTS search; {SEARCH_INDEX} {FILL_SEARCH_INDEX}" if can_index else ""
    connection.executescript(f"BEGIN IMMEDIATE; {dropped} {built} COMMIT;")
    return can_index


def has_fts5(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def is_sound(path: Path) -> bool:
    """Whether SQLite can read every page. Raises when that cannot be told: a lock of others, a full disk."""
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        return connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as error:
        if primary_code(error) in CIRCUMSTANCES:
            raise
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


def primary_code(error: BaseException) -> int:
    """SQLite's own number for it, without the details in the upper bits; 0 for any other error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_locked(error: BaseException) -> bool:
    return primary_code(error) in LOCK_CODES


def cleaned(text: str) -> str:
    """The text as the database can hold it: NUL and halves of surrogate pairs are replaced."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


@contextmanager
def as_storage_error() -> Generator[None, None, None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise BadRequest("The text holds half of a surrogate pair, which is not a character.") from error
    except sqlite3.Error as error:
        if is_locked(error):
            message = LOCKED
        elif primary_code(error) == sqlite3.SQLITE_FULL:
            message = "The disk is full, so this could not be saved. Free some space and try again."
        else:
            message = f"The database refused: {error}."
        raise StorageError(message) from error


def storable(text: str, field: str) -> str:
    """Raises BadRequest for what is no text: halves of surrogate pairs, and NUL."""
    if text != cleaned(text):
        raise BadRequest("The text holds a NUL or half of a surrogate pair, which are not characters.", field=field)
    return text
