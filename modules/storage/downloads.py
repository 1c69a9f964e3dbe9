"""Downloads on the disk: for each a folder beside the models, with its record, its parts and its finished files."""

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from modules.errors import Busy
from modules.storage.files import try_lock, write_atomically
from modules.types.downloads import DownloadRecord, PlannedFile

RECORD = TypeAdapter(DownloadRecord)
RECORD_FILE, LOCK_FILE, PARTS, FILES = "download.json", "lock", "parts", "files"
ID = re.compile(r"[0-9a-f]{16}")


class DownloadStore:
    """Any thread, and several programs at once: whoever works on a download holds its lock.

    It lies with the models rather than in the database, so that the command line and a running program see each
    other's, and parts never lose their record.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[DownloadRecord]:
        """Newest first. A damaged record is passed over."""
        try:
            names = [path.name for path in self._folder.iterdir() if ID.fullmatch(path.name)]
        except OSError:
            return []
        records = [record for name in names if (record := self.get(name)) is not None]
        return sorted(records, key=lambda record: record.plan.created, reverse=True)

    def get(self, download_id: str) -> DownloadRecord | None:
        if not ID.fullmatch(download_id):
            return None
        with suppress(OSError, ValidationError):
            return RECORD.validate_json((self._folder / download_id / RECORD_FILE).read_bytes())
        return None

    def save(self, record: DownloadRecord) -> None:
        """Raises StorageError."""
        folder = self._folder / record.plan.id
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / RECORD_FILE, RECORD.dump_json(record))

    @contextmanager
    def hold(self, download_id: str) -> Generator[None]:
        """While it lasts nobody else works on this download. Raises Busy when someone does."""
        folder = self._folder / download_id
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not try_lock(handle):
                raise Busy("Another Parlor works on this download. Wait for it, or pause it there.")
            yield
        finally:
            os.close(handle)

    def is_held(self, download_id: str) -> bool:
        """Whether some program works on it at this moment."""
        try:
            with self.hold(download_id):
                return False
        except Busy:
            return True

    def parts(self, download_id: str) -> Path:
        return self._folder / download_id / PARTS

    def files(self, download_id: str) -> Path:
        return self._folder / download_id / FILES

    def file(self, download_id: str, planned: PlannedFile) -> Path:
        """Where a finished file waits for the others; it is there only when it is whole and verified."""
        return self.files(download_id) / planned.place

    def is_finished(self, download_id: str, planned: PlannedFile) -> bool:
        return self.file(download_id, planned).is_file()

    def bytes_here(self, record: DownloadRecord) -> int:
        """What has come so far, finished or not."""
        finished = sum(one.file.size_bytes for one in record.plan.files if self.is_finished(record.plan.id, one))
        parts = 0
        with suppress(OSError):
            parts = sum(part.stat().st_size for part in self.parts(record.plan.id).glob("*.part"))
        return finished + parts

    def drop_content(self, download_id: str) -> None:
        """Parts and files; the record stays."""
        for folder in (self.parts(download_id), self.files(download_id)):
            shutil.rmtree(folder, ignore_errors=True)

    def delete(self, download_id: str) -> None:
        shutil.rmtree(self._folder / download_id, ignore_errors=True)
