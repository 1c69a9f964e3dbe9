"""Files on disk: the one resolver of stored names, the one writer, the folder's lock, quarantine."""

import os
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

from modules.errors import BadRequest, StartError, StorageError

NAME_CHARS = 120
PUNCTUATION = frozenset(" ._-()+,")
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{digit}" for digit in range(10)), *(f"lpt{digit}" for digit in range(10))]
)


def resolve_name(folder: Path, name: str, suffix: str = "") -> Path:
    """The file of this bare name inside `folder`; the only way from a name to a path.

    Raises BadRequest for anything that is not a plain name, and for links.
    """
    bare = unicodedata.normalize("NFC", name)
    fault = fault_of(bare)
    if fault:
        raise BadRequest(f"This name cannot be used: {fault}.", field="name")
    path = folder / (bare + suffix)
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise BadRequest("This name cannot be used: it leads outside its folder.", field="name")
    return path


def fault_of(name: str) -> str:
    """What is wrong with a bare name; empty when nothing is."""
    if not name:
        return "it is empty"
    if len(name) > NAME_CHARS or len(name.encode("utf-8", "replace")) > 2 * NAME_CHARS:
        return f"it is longer than {NAME_CHARS} characters"
    if any(not is_allowed(character) for character in name) or is_mark(name[0]):
        return "only letters, digits, spaces and . _ - ( ) + , are allowed"
    if name[0] in ".- " or name[-1] in ". ":
        return "it must not begin with a dot, dash or space, nor end with a dot or space"
    # Compatibility forms count: Windows reserves COM¹ as well.
    if unicodedata.normalize("NFKC", name.split(".", 1)[0]).strip().casefold() in RESERVED:
        return "some systems reserve it"
    return ""


def is_allowed(character: str) -> bool:
    return character.isalnum() or character in PUNCTUATION or is_mark(character)


def is_mark(character: str) -> bool:
    """Vowel signs and the like, without which most Indic and Thai words cannot be written."""
    return unicodedata.category(character).startswith("M")


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Old or new, never a mixture, also when the power fails. Raises StorageError and leaves nothing behind."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(f"{path.name} could not be written: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Its content is on the disk when this returns."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def quarantine(path: Path) -> Path:
    """Set a damaged file aside under a name that says so; never over another one."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        extra = f"-{number}" if number else ""
        target = path.with_name(f"{path.stem}.damaged-{stamp}{extra}{path.suffix}")
        if not target.exists():
            return path.rename(target)
        number += 1


class FolderLock:
    """An exclusive hold on a data folder. The system drops it with the process, so a crash leaves no stale lock."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path

    @classmethod
    def acquire(
        cls, path: Path, note: str = "", remedy: str = "Stop it, or choose another folder with --data."
    ) -> "FolderLock":
        """Raises StartError that says who holds it; OSError when the folder cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(handle):
            holder = os.pread(handle, 500, 0).decode("utf-8", "replace").strip() if hasattr(os, "pread") else ""
            os.close(handle)
            raise StartError(
                f"The data folder {path.parent.name!r} is used by another Parlor ({holder or 'unknown process'}). "
                + remedy
            )
        lock = cls(handle, path)
        lock.update_note(note)
        return lock

    def update_note(self, note: str) -> None:
        """What a second instance is told, beside the process's number."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, f"process {os.getpid()} {note}".strip().encode())

    def release(self) -> None:
        os.close(self._handle)


if sys.platform == "win32":
    import msvcrt

    LOCKED_BYTE = 1 << 20

    def try_lock(handle: int) -> bool:
        """Locks one byte far behind the note, which others must be able to read."""
        try:
            os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
