"""Datasets by name: files and folders in data/datasets."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from modules.errors import BadRequest, Conflict, NotFound, StorageError
from modules.limits import LIMITS
from modules.storage.files import resolve_name, sync_folder
from modules.storage.tables import files_below
from modules.types.datasets import DATASET_ENDINGS, StoredDataset

STAGED = ".new-"
GONE = ".gone-"
SYNC_BYTES = 64 * 1024 * 1024


class DatasetStore:
    """Any thread may call. A file appears under its name when it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._publishing = threading.Lock()
        for left in [*folder.glob(f"{STAGED}*"), *folder.glob(f"{GONE}*")]:
            remove(left)

    def all(self) -> list[StoredDataset]:
        """By name; folders that hold files of a known ending, and such files. Links are passed over."""
        if not self._folder.is_dir():
            return []
        found = (stored(path) for path in sorted(self._folder.iterdir()) if is_shown(path))
        return [one for one in found if one is not None]

    def find(self, name: str) -> Path:
        """Raises NotFound, or BadRequest for what cannot be a name."""
        path = resolve_name(self._folder, name)
        if not path.exists():
            raise NotFound(f"There is no dataset called {name[:120]!r}.", field="name")
        return path

    def stage(self, name: str) -> "StagedDataset":
        """Raises BadRequest for a name that cannot be used, Conflict for one that is taken, StorageError."""
        target = resolve_name(self._folder, name)
        if target.suffix.lower() not in DATASET_ENDINGS:
            raise BadRequest(f"The file's name must end in {', '.join(DATASET_ENDINGS)}.", field="name")
        require_free(target)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return StagedDataset(self._folder, target, self._publishing)
        except OSError as error:
            raise not_written(error) from error

    def delete(self, name: str) -> None:
        """Gone at once, whatever its size."""
        path = self.find(name)
        try:
            gone = path.rename(self._folder / f"{GONE}{os.urandom(6).hex()}")
        except OSError as error:
            raise StorageError(f"The dataset could not be deleted: {error.strerror}.") from error
        remove(gone)


class StagedDataset:
    """A dataset that is being written. Closing it before `publish` leaves nothing behind."""

    def __init__(self, folder: Path, target: Path, publishing: threading.Lock) -> None:
        handle, path = tempfile.mkstemp(prefix=STAGED, dir=folder)
        self._file: BinaryIO = os.fdopen(handle, "wb")
        self._path = Path(path)
        self._target = target
        self._publishing = publishing
        self._unsynced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """What was not published is gone."""
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Raises StorageError, as when the disk is full. What waits for the disk stays bounded."""
        try:
            self._file.write(content)
            self._unsynced += len(content)
            if self._unsynced >= SYNC_BYTES:
                self._sync()
        except OSError as error:
            raise not_written(error) from error

    def publish(self) -> StoredDataset:
        """Under its name, whole. Raises Conflict when the name was taken meanwhile, StorageError."""
        try:
            self._sync()
            self._file.close()
            with self._publishing:
                require_free(self._target)
                self._path.rename(self._target)
            sync_folder(self._target.parent)
        except OSError as error:
            raise not_written(error) from error
        status = self._target.stat()
        return StoredDataset(self._target.name, status.st_size, status.st_mtime)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0


def is_shown(path: Path) -> bool:
    return not path.name.startswith(".") and not path.is_symlink()


def stored(path: Path) -> StoredDataset | None:
    """None for what holds no samples."""
    files = list(sample_files(path))
    if not files:
        return None
    # A file may go while we look.
    sizes: list[os.stat_result] = []
    for file in files:
        with suppress(OSError):
            sizes.append(file.stat())
    if not sizes:
        return None
    return StoredDataset(
        path.name, sum(one.st_size for one in sizes), max(one.st_mtime for one in sizes), files=len(sizes)
    )


def sample_files(path: Path) -> Iterator[Path]:
    """As many as may be read, for folders can hold any number."""
    files = iter((path,)) if path.is_file() else files_below(path, ("*",))
    return islice((file for file in files if file.suffix.lower() in DATASET_ENDINGS), LIMITS.dataset_files)


def require_free(target: Path) -> None:
    if target.exists():
        raise Conflict(
            f"There is a dataset called {target.name} already; choose another name, or delete that one first.",
            field="name",
        )


def not_written(error: OSError) -> StorageError:
    return StorageError(f"The dataset could not be written: {error.strerror}.")


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
