"""The database opens safely whatever lies in its folder."""

import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from modules.errors import StartError, StorageError
from modules.paths import PROJECT
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.document_versions import VersionStore
from modules.storage.schema import MIGRATIONS


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


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_damaged_journal_costs_nothing_that_was_saved(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "parlor.db"
    filled(path)
    (tmp_path / f"parlor.db{suffix}").write_bytes(b"\xee" * 40_000)
    database = Database.open(path)
    assert database.notices == ()
    assert len(ConversationStore(database).newest()) == 50
    database.close()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_newer_schema_is_left_alone(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "parlor.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
        connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StartError, match="newer Parlor"):
        Database.open(path)
    assert path.read_bytes() == before


def test_a_database_of_the_first_schema_remembers_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = 1;")
        connection.execute("INSERT INTO conversation VALUES ('c', 'Old', 0, 0, 1, 1, 'first', NULL)")
        for name, parent in (("asked", None), ("first", "asked"), ("second", "asked")):
            connection.execute(
                "INSERT INTO message (id, conversation_id, parent_id, role, content, state, created) "
                "VALUES (?, 'c', ?, 'user', '', 'complete', 1)",
                (name, parent),
            )
    connection.close()
    database = Database.open(path)
    store = ConversationStore(database)
    store.append_turn("c", None, "edited", "", 0)
    store.select_version("c", "asked", 1)
    assert [message.id for message in store.path("c")] == ["asked", "first"]
    database.close()


def test_documents_from_before_there_were_steps_can_be_undone(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    before = next(number for number, step in enumerate(MIGRATIONS) if "CREATE TABLE document_step" in step)
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{';'.join(MIGRATIONS[:before])}; PRAGMA user_version = {before};")
        connection.execute("INSERT INTO document (id, title, folder, created, updated, head) VALUES ('d','','',1,1,3)")
        for number, parent in ((1, None), (2, 1), (3, 1)):
            connection.execute(
                "INSERT INTO document_version (id, document_id, parent, kind, start, removed, inserted, length, "
                "since_whole, created) VALUES (?, 'd', ?, 'typed', 0, 0, '', 0, 0, 1)",
                (number, parent),
            )
    connection.close()
    database = Database.open(path)
    versions = VersionStore(database)
    versions.undo("d", 3)
    assert versions.can_step("d") == (False, True)
    versions.redo("d", 1)
    assert versions.can_step("d") == (True, False)
    database.close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE message (theirs)")
    connection.close()
    with pytest.raises(StartError, match="belong to another program"):
        Database.open(path)
    with sqlite3.connect(path) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["message"]
    connection.close()


def test_a_full_disk_at_the_start_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    filled(path)
    code = f"""
import resource, signal
from pathlib import Path
from modules.storage.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
database = Database.open(Path({str(path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(database.persistent, database.notices)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
    assert "not saved" in done.stdout
    assert "damaged" not in done.stdout
    database = Database.open(path)
    assert len(ConversationStore(database).newest()) == 50
    database.close()


def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    """Root may write anything, so the child gives its rights away first."""
    code = """
import os, sys
from pathlib import Path
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
folder = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
database = Database.open(folder / "parlor.db")
ConversationStore(database).create("Kept while it runs")
print(database.persistent, database.notices)
"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled(folder / "parlor.db")
        (folder / "parlor.db").chmod(0o444)
        folder.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", code, name], cwd=PROJECT, capture_output=True, text=True, check=True
            )
        finally:
            folder.chmod(0o755)
        assert [file.name for file in folder.iterdir()] == ["parlor.db"]
    assert done.stdout.startswith("False")
    assert "not saved" in done.stdout


@pytest.mark.parametrize("name", ["data", "locked"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a file in place of the folder")
    database = Database.open(tmp_path / name / "parlor.db")
    assert not database.persistent
    assert "not saved" in database.notices[0]
    store = ConversationStore(database)
    store.create("Kept while it runs")
    assert len(store.newest()) == 1


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


@pytest.mark.alone
def test_locked_by_another_program(tmp_path: Path) -> None:
    """Writers are refused together after one wait; readers do not wait; all is well when the lock ends."""
    path = tmp_path / "parlor.db"
    database = Database.open(path)
    store = ConversationStore(database)
    store.create("before")
    outcomes: list[tuple[str, float]] = []

    def write() -> None:
        started = time.monotonic()
        try:
            store.create("x")
            outcomes.append(("saved", 0))
        except StorageError as error:
            outcomes.append((str(error), time.monotonic() - started))

    other = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "locked\n"
        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(0.2)
        started = time.monotonic()
        assert [conversation.title for conversation in store.newest()] == ["before"]
        assert time.monotonic() - started < 1
        for writer in writers:
            writer.join()
    finally:
        other.communicate("\n")
    assert len(outcomes) == 4
    for message, seconds in outcomes:
        assert "locked by another program" in message
        assert 4 < seconds < 6.5
    assert store.create("after").title == "after"
    database.close()


def test_moving_to_a_build_without_full_text_search_and_back(tmp_path: Path) -> None:
    path = tmp_path / "parlor.db"
    filled(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modules.storage.database.has_fts5", lambda _: False)
        database = Database.open(path)
        store = ConversationStore(database)
        conversation = store.create("Meanwhile")
        store.append_turn(conversation.id, None, "written without an index", "", 0)
        assert [hit.conversation.id for hit in store.search("without index")] == [conversation.id]
        database.close()
    database = Database.open(path)
    assert database.has_search_index
    store = ConversationStore(database)
    assert [hit.conversation.id for hit in store.search("without index")] == [conversation.id]
    assert [hit.conversation.id for hit in store.search("meanwhile")] == [conversation.id]
    assert len(store.search("hello", limit=100)) == 50
    database.close()


def test_what_a_transaction_sees(tmp_path: Path) -> None:
    """Its own thread sees its changes at once, others when it ends; a failure undoes all of it."""
    database = Database.open(tmp_path / "parlor.db")
    store = ConversationStore(database)
    counts: list[int] = []

    def fail_half_way() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO conversation (id, title, created, updated) VALUES ('a', 'a', 0, 0)")
            counts.append(len(store.newest()))
            thread = threading.Thread(target=lambda: counts.append(len(store.newest())))
            thread.start()
            thread.join()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert counts == [1, 0]
    assert store.newest() == []
    store.create("and it goes on")
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
