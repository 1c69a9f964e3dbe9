"""What has come of a file: its bytes, their running hash, and a note of which file they belong to."""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from modules.errors import Cancelled
from modules.storage.files import sync_file, sync_folder, write_atomically
from modules.types.hub import HubFile

READ_BYTES = 4 * 1024 * 1024
BLOB_ID = re.compile(r'"?([0-9a-f]{40})"?')


class RunningHash(Protocol):
    def update(self, content: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class PartNote(BaseModel):
    """Beside the bytes. `etag` is what the server called the file, `digest` how it will be known to be right."""

    model_config = ConfigDict(frozen=True, strict=True)

    path: str
    size_bytes: int
    digest: str
    etag: str


class PartFile:
    """One thread at a time. Bytes reach the system as they are appended, so a killed program loses none of them."""

    def __init__(self, folder: Path, file: HubFile) -> None:
        self.file = file
        self.etag = ""
        self.size = 0
        self._digest = digest_of(file)
        # Names from the hub are long and strange; the note says which file it is.
        key = hashlib.sha256(f"{self._digest}\0{file.path}".encode()).hexdigest()[:40]
        self._path, self._note = folder / f"{key}.part", folder / f"{key}.json"
        folder.mkdir(parents=True, exist_ok=True)
        self._out = self._path.open("ab", buffering=0)
        self._hash = fresh_hash(self._digest, file.size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()

    @property
    def is_complete(self) -> bool:
        return self.size == self.file.size_bytes

    def recover(self, stopped: Callable[[], bool]) -> None:
        """Take up what an earlier run left, if it is of this very file. Raises Cancelled."""
        note = self._read_note()
        length = self._path.stat().st_size
        if note is None or length > self.file.size_bytes:
            self.clear()
            return
        self.etag, self._digest = note.etag, note.digest
        self._hash = fresh_hash(self._digest, self.file.size_bytes)
        with self._path.open("rb") as content:
            while piece := content.read(READ_BYTES):
                if stopped():
                    raise Cancelled("The download was stopped.")
                self._hash.update(piece)
                self.size += len(piece)

    def begin(self, etag: str) -> None:
        """Before the first byte: what the server calls the file."""
        blob = BLOB_ID.fullmatch(etag)
        if not self._digest and blob:
            self._digest = f"blob:{blob[1]}"
        self.clear()
        self.etag = etag
        note = PartNote(path=self.file.path, size_bytes=self.file.size_bytes, digest=self._digest, etag=etag)
        write_atomically(self._note, note.model_dump_json().encode())

    def append(self, piece: bytes) -> None:
        """Raises OSError when the disk does not take it; what it took counts."""
        rest = memoryview(piece)
        while rest:
            written = self._out.write(rest)
            self._hash.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def clear(self) -> None:
        self._out.truncate(0)
        self._note.unlink(missing_ok=True)
        self.size, self.etag = 0, ""
        self._hash = fresh_hash(self._digest, self.file.size_bytes)

    def is_right(self) -> bool:
        """Whether size and hash are as the hub promised."""
        return self.is_complete and self._digest in {"", f"{self._digest.partition(':')[0]}:{self._hash.hexdigest()}"}

    def publish(self, target: Path) -> None:
        """Move the bytes to their name, on the disk also when the power fails."""
        self._out.close()
        sync_file(self._path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(target)
        sync_folder(target.parent)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> PartNote | None:
        """None when there is none, or it is of another file."""
        with suppress(OSError, ValidationError):
            note = PartNote.model_validate_json(self._note.read_bytes())
            if (note.path, note.size_bytes) == (self.file.path, self.file.size_bytes):
                return note
        return None


def digest_of(file: HubFile) -> str:
    """`sha256:...` of a large file, `blob:...` as git names a small one; empty when the hub told neither."""
    if file.sha256:
        return f"sha256:{file.sha256}"
    return f"blob:{file.blob_id}" if file.blob_id else ""


def fresh_hash(digest: str, size_bytes: int) -> RunningHash:
    if digest.startswith("blob:"):
        return hashlib.sha1(b"blob %d\0" % size_bytes)
    return hashlib.sha256()
