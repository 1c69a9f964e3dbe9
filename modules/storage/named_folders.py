"""Folders that a person names: each appears whole, holds a record, and is gone at once."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from modules.errors import Conflict, NotFound, StorageError
from modules.storage.files import resolve_name, sync_folder

STAGED = ".new-"
GONE = ".gone-"


class NamedFolders:
    """Any thread may call. A folder counts when it holds a file called `record`; `noun` is what errors call it."""

    def __init__(self, folder: Path, record: str, noun: str) -> None:
        self._folder = folder
        self._record = record
        self._noun = noun
        for left in [*folder.glob(f"{STAGED}*"), *folder.glob(f"{GONE}*")]:
            shutil.rmtree(left, ignore_errors=True)

    def create(self, name: str, fill: Callable[[Path], None]) -> Path:
        """`fill` writes everything that belongs into it, the record too; what it raises leaves nothing behind.

        Raises Conflict for a name that is taken, BadRequest for one that cannot be used, StorageError.
        """
        target = self.check_free(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=STAGED, dir=self._folder))
            try:
                fill(staging)
                self.check_free(name)
                staging.rename(target)
                sync_folder(self._folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise StorageError(f"The {self._noun} could not be written: {error.strerror}.") from error
        return target

    def check_free(self, name: str) -> Path:
        """Where it would be. Raises as `create` does."""
        target = resolve_name(self._folder, name)
        if target.exists():
            raise Conflict(f"There is a {self._noun} called {name} already; choose another name.", field="name")
        return target

    def find(self, name: str) -> Path:
        """Raises NotFound."""
        path = resolve_name(self._folder, name)
        if not (path / self._record).is_file():
            raise NotFound(f"There is no {self._noun} called {name[:120]!r}.", field="name")
        return path

    def all(self) -> list[Path]:
        return [path.parent for path in self._folder.glob(f"[!.]*/{self._record}")]

    def delete(self, name: str) -> None:
        """Raises NotFound, or StorageError."""
        self.discard(self.set_aside(name))

    def set_aside(self, name: str) -> str:
        """It counts no more; returns the token by which it comes back or goes. Raises NotFound, or StorageError."""
        folder = self.find(name)
        token = os.urandom(6).hex()
        try:
            folder.rename(self._folder / f"{GONE}{token}")
        except OSError as error:
            raise StorageError(f"The {self._noun} could not be deleted: {error.strerror}.") from error
        return token

    def bring_back(self, token: str, name: str) -> Path:
        """Raises NotFound for what is gone, Conflict where the name is taken meanwhile, or StorageError."""
        target = self.check_free(name)
        try:
            return (self._folder / f"{GONE}{token}").rename(target)
        except FileNotFoundError as error:
            raise NotFound(f"The {self._noun} {name} is gone for good.", field="name") from error
        except OSError as error:
            raise StorageError(f"The {self._noun} could not be restored: {error.strerror}.") from error

    def discard(self, token: str) -> None:
        shutil.rmtree(self._folder / f"{GONE}{token}", ignore_errors=True)
