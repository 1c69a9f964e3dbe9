"""The database opens safely whatever lies in its folder."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modules.errors import StartError, StorageError
from modules.paths import PROJECT
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database


def filled(path: Path) -> bytes:
    database = Database.open(path)
    store = ConversationStore(database)
    for number in range(50):
        conversation = store.create(f"Chat {number}")
        store.append_turn(conversation.id, None, "hello " * 50, "", 0)
    database.close()
    return path.read_bytes()


def damage_of(kind: str, good: bytes) -> bytes:
    half = len(good) // 2
    return {
        "text": b"this is no database",
        "truncated": good[:half],
        "header": b"\0" * 100 + good[100:],
        "magic": b"SQLite format 4\0" + good[16:],
        "middle": good[:half] + b"\xff" * 8192 + good[half + 8192 :],
        "zeros": b"\0" * len(good),
        "tail zeros": good[: len(good) // 4] + b"\0" * (len(good) * 3 // 4),
        "second page": good[:4096] + b"\xee" * 4096 + good[8192:],
        "page size": good[:16] + b"\0\3" + good[18:],
        "random": bytes((place * 7919) % 251 for place in range(len(good))),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["text", "truncated", "header", "magic", "middle", "zeros", "tail zeros", "second page", "page size", "random"],
)
def test_damaged_files_are_set_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "parlor.db"
    damaged = damage_of(kind, filled(path))
    path.write_bytes(damaged)
    database = Database.open(path)
    aside = [file for file in tmp_path.iterdir() if "damaged" in file.name and file.suffix == ".db"]
    assert len(aside) == 1
    assert aside[0].read_bytes() == damaged
    assert aside[0].name in database.notices[0]
    assert database.persistent
    store = ConversationStore(database)
    assert store.newest() == []
    store.create("New")
    database.close()


def test_sound_files_are_kept(tmp_path: Path) -> None:
    filled(tmp_path / "parlor.db")
    database = Database.open(tmp_path / "parlor.db")
    assert database.notices == ()
    assert len(ConversationStore(database).newest()) == 50
    database.close()


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StartError, match="newer Parlor"):
        Database.open(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in place of the folder")
    database = Database.open(tmp_path / "data" / "parlor.db")
    assert not database.persistent
    assert "not saved" in database.notices[0]
    store = ConversationStore(database)
    store.create("Kept while it runs")
    assert len(store.newest()) == 1


def test_locked_by_another_program(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "parlor.db")
    store = ConversationStore(database)
    other = sqlite3.connect(tmp_path / "parlor.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(StorageError, match="locked by another program"):
        store.create("x")
    assert time.monotonic() - started < 6.5
    other.execute("ROLLBACK")
    other.close()
    assert store.create("x").title == "x"
    database.close()


def test_full_disk(tmp_path: Path) -> None:
    """What could not be saved is an error; what was saved stays, and saving works again afterwards."""
    path = tmp_path / "parlor.db"
    filled(path)
    code = f"""
import resource, signal
from pathlib import Path
from modules.errors import StorageError
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database.open(Path({str(path)!r})); store = ConversationStore(database)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, -1))
conversation = store.create("before")
try:
    store.append_turn(conversation.id, None, "x" * 900_000, "", 0)
    print("saved")
except StorageError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
store.append_turn(conversation.id, None, "after", "", 0)
print(len(store.newest()), len(store.path(conversation.id)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("refused:")
    assert lines[1] == "51 2"
