"""Names never leave their folder; files are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modules.errors import BadRequest, StartError, StorageError
from modules.paths import PROJECT
from modules.storage.files import FolderLock, quarantine, resolve_name, write_atomically

GOOD = ["chat", "My chat (2)", "naïve", "日本語", "हिन्दी", "ไทยที่", "a.b", "x_1+2, 3", "CONtent", "a" * 120]
BAD = [
    "", ".", "..", "...", "../x", "..\\x", "a/b", "a\\b", "/etc/passwd", "C:\\x", "c:x", "~/x", "%2e%2e/x", "..%2fx",
    "a\0b", "a\nb", "a\rb", "\u202ex", "con", "CON", "nul.txt", "COM1", "lpt9.x", "COM\u00b9", "con .x", "\u0301x", " x", "x ", ".x", "x.", "-x", "--flag",
    "a:b", "a|b", "a*b", "a?b", 'a"b', "a<b", "$(id)", "`id`", "a;b", "a&b", "\uff0e\uff0e/x", "a" * 121, "\ud800", "a\u2215b", "x\u0000",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_plain_names(tmp_path: Path, name: str) -> None:
    path = resolve_name(tmp_path, name, ".yaml")
    assert path.parent == tmp_path
    assert path.name.endswith(".yaml")


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_other_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        resolve_name(tmp_path, name, ".yaml")
    assert caught.value.field == "name"
    assert str(tmp_path) not in str(caught.value)


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out.yaml").symlink_to("/etc/hostname")
    with pytest.raises(BadRequest):
        resolve_name(tmp_path, "out", ".yaml")


def test_write(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """Its bytes fill what file systems allow, so the temporary file's name must not be longer."""
    path = resolve_name(tmp_path, "é" * 120, ".jinja")
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A file-size limit with its signal ignored acts as a full disk."""
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    code = f"""
import resource, signal, sys
from pathlib import Path
from modules.errors import StorageError
from modules.storage.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))
try:
    write_atomically(Path({str(path)!r}), b"n" * 5000)
except StorageError as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "refused: x.txt could not be written" in done.stdout
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]


def test_writing_into_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="could not be written"):
        write_atomically(tmp_path / "file" / "x", b"")


def test_quarantine_never_overwrites(tmp_path: Path) -> None:
    names = set()
    for number in range(3):
        (tmp_path / "x.db").write_text(str(number))
        names.add(quarantine(tmp_path / "x.db").name)
    assert len(names) == 3
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_second_holder_learns_who_holds_it(tmp_path: Path) -> None:
    lock = FolderLock.acquire(tmp_path / "lock")
    lock.update_note("at http://127.0.0.1:7860")
    with pytest.raises(StartError, match=rf"process {os.getpid()} at http://127.0.0.1:7860"):
        FolderLock.acquire(tmp_path / "lock")
    lock.release()
    FolderLock.acquire(tmp_path / "lock").release()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = f"""
import time
from pathlib import Path
from modules.storage.files import FolderLock
lock = FolderLock.acquire(Path({str(path)!r}), "at work")
print("held", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StartError, match=rf"process {process.pid} at work"):
            FolderLock.acquire(path)
    finally:
        process.kill()
        process.communicate()
    FolderLock.acquire(path).release()
