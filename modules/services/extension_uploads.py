"""Files that a person hands to an extension's view: kept until the program ends, or newer ones take their place."""

import secrets
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from modules.errors import NotFound, StorageError
from modules.storage.files import resolve_name

KEPT = 16


class StagedUpload:
    """A file that is being received. Closing it before `publish` leaves nothing behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_whole = False
        try:
            path.parent.mkdir(parents=True)
            self._file = path.open("wb")
        except OSError as error:
            raise not_kept(error) from error

    def write(self, content: bytes) -> None:
        """Raises StorageError, as when the disk is full."""
        try:
            self._file.write(content)
        except OSError as error:
            raise not_kept(error) from error

    def publish(self) -> str:
        """The upload's id. Raises StorageError."""
        try:
            self._file.close()
        except OSError as error:
            raise not_kept(error) from error
        self._is_whole = True
        return self._path.parent.name

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
        if not self._is_whole:
            shutil.rmtree(self._path.parent, ignore_errors=True)


class ExtensionUploads:
    """In a folder that is emptied at the start; each extension's newest are kept. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)

    def stage(self, extension: str, file_name: str) -> StagedUpload:
        """`extension` is the name of one that there is. Raises BadRequest for a file's name that cannot be used."""
        own = self._folder / extension
        with self._lock:
            kept = sorted(own.glob("*"), key=lambda one: one.stat().st_mtime) if own.is_dir() else []
            for old in kept[: max(0, len(kept) - KEPT + 1)]:
                shutil.rmtree(old, ignore_errors=True)
            return StagedUpload(resolve_name(own / secrets.token_hex(8), file_name))

    def path(self, extension: str, upload: str) -> Path:
        """Raises NotFound."""
        folder = resolve_name(self._folder / extension, upload)
        files = list(folder.iterdir()) if folder.is_dir() else []
        if not files:
            raise NotFound("The file that was sent is not there any more. Choose it again.", field="values")
        return files[0]

    def forget(self, extension: str) -> None:
        """Nothing of what was handed to it stays."""
        shutil.rmtree(self._folder / extension, ignore_errors=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def not_kept(error: OSError) -> StorageError:
    return StorageError(f"The file could not be kept: {error.strerror}. Free some disk space.")
