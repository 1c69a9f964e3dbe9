"""The folders of installed extensions: the current version of each, the previous one, and what is being staged.

A version appears, and the one before steps aside, by two renames between two entries in the database; whatever ends the
program in between, `recover` finds which of them happened and finishes or undoes the change.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from modules.errors import NotFound, StorageError
from modules.storage.extension_installs import ExtensionInstalls
from modules.storage.files import resolve_name, sync_folder
from modules.types.extension_installs import InstallRecord

STAGING, PREVIOUS = ".staging", ".previous"


class ExtensionVersions:
    """One thread at a time for each extension."""

    def __init__(self, folder: Path, installs: ExtensionInstalls) -> None:
        self._folder = folder
        self._installs = installs

    def stage(self) -> Path:
        """A new folder on the same file system. Raises StorageError."""
        try:
            staging = self._folder / STAGING
            staging.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=staging))
        except OSError as error:
            raise refused("The extensions' folder could not be written", error) from error

    def current(self, name: str) -> Path:
        return resolve_name(self._folder, name)

    def previous(self, name: str) -> Path:
        return resolve_name(self._folder / PREVIOUS, name)

    def put_in_place(self, staged: Path, record: InstallRecord) -> None:
        """The staged folder becomes the current version. Raises StorageError; all is as it was then."""
        current, previous = self.current(record.name), self.previous(record.name)
        moves = [(staged, current)]
        if current.exists():
            moves = [(current, previous), *moves]
            if previous.exists():
                moves = [(previous, self.stage() / "older"), *moves]
        self._installs.announce(record)
        done: list[tuple[Path, Path]] = []
        try:
            previous.parent.mkdir(parents=True, exist_ok=True)
            for source, target in moves:
                source.rename(target)
                done.append((source, target))
            sync_folder(self._folder)
        except OSError as error:
            for source, target in reversed(done):
                target.rename(source)
            self._installs.forget(record.name, "next")
            raise refused(f"{record.name} could not be put in place", error) from error
        self._installs.confirm(record.name)
        if len(moves) > 2:
            self.discard(moves[0][1])

    def roll_back(self, name: str) -> InstallRecord:
        """The previous version becomes the current one, and the other way round. Raises NotFound, StorageError."""
        record, previous = self._installs.find(name, "previous"), self.previous(name)
        if record is None or not previous.is_dir():
            raise NotFound(f"There is no earlier version of {name} to go back to.", field="name")
        staged = self.stage() / name
        try:
            previous.rename(staged)
        except OSError as error:
            raise refused(f"The earlier version of {name} could not be moved", error) from error
        try:
            self.put_in_place(staged, record)
        except StorageError:
            staged.rename(previous)
            raise
        finally:
            self.discard(staged.parent)
        return record

    def remove(self, name: str) -> None:
        """Every version, and all that is known of them. Raises StorageError."""
        for folder in (self.current(name), self.previous(name)):
            self.discard(folder)
        self._installs.forget(name)
        self._tidy()

    def discard(self, folder: Path) -> None:
        """Gone at once, whatever its size; nothing happens when it is not there. Raises StorageError."""
        if not folder.exists():
            return
        staging = self._folder / STAGING
        if not folder.is_relative_to(staging):
            gone = self.stage() / folder.name
            try:
                folder.rename(gone)
            except OSError as error:
                raise refused(f"{folder.name} could not be removed", error) from error
            folder = gone
        shutil.rmtree(staging / folder.relative_to(staging).parts[0], ignore_errors=True)
        self._tidy()

    def recover(self, is_whole: Callable[[Path, InstallRecord], bool]) -> None:
        """At the start, when nobody else works here: finish or undo what was interrupted, and empty the staging.

        `is_whole` tells whether a folder holds the files of a record.
        """
        for name, record in self._installs.all("next").items():
            current, previous = self.current(name), self.previous(name)
            if current.is_dir() and is_whole(current, record):
                self._installs.confirm(name)
                continue
            if not current.exists() and previous.is_dir():
                previous.rename(current)
            self._installs.forget(name, "next")
        for name in self._installs.all("previous"):
            if not self.previous(name).is_dir():
                self._installs.forget(name, "previous")
        shutil.rmtree(self._folder / STAGING, ignore_errors=True)
        self._tidy()

    def _tidy(self) -> None:
        """No folder of ours stays that holds nothing."""
        for folder in (self._folder / STAGING, self._folder / PREVIOUS):
            with suppress(OSError):
                folder.rmdir()


def refused(what: str, error: OSError) -> StorageError:
    return StorageError(f"{what}: {error.strerror or os.strerror(error.errno or 0)}.")
