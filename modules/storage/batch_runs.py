"""Runs on the disk: a folder each, with the record, the input, and a result a line."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from modules.errors import StorageError
from modules.storage.files import write_atomically
from modules.storage.named_folders import NamedFolders
from modules.types.batch_runs import RowResult, RunRecord, Table

RECORD = "run.json"
INPUT = "input.jsonl"
RESULTS = "results.jsonl"
SYNC_SECONDS = 1.0


@dataclass(frozen=True)
class Tally:
    """Rows that have a result, those of them that have an error, and those of them that may yet succeed.

    `failure` is the first of those with an error.
    """

    done: int = 0
    failed: int = 0
    retriable: int = 0
    failure: RowResult | None = None


@dataclass(frozen=True)
class InputRow:
    """Counted from 1; `key` follows from its content."""

    number: int
    key: str
    cells: dict[str, str]


class RunStore:
    """Any thread may call. A folder appears under its name when it is whole, and is gone at once."""

    def __init__(self, folder: Path) -> None:
        self._folders = NamedFolders(folder, RECORD, "run")

    def create(self, record: RunRecord, table: Table) -> "RunFolder":
        """Raises Conflict for a name that is taken, BadRequest for one that cannot be used."""

        def fill(folder: Path) -> None:
            with (folder / INPUT).open("wb") as file:
                file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in table.rows)
                file.flush()
                os.fsync(file.fileno())
            write_atomically(folder / RECORD, record.model_dump_json(indent=1).encode())

        return RunFolder(self._folders.create(record.name, fill))

    def find(self, name: str) -> "RunFolder":
        return RunFolder(self._folders.find(name))

    def all(self) -> list["RunFolder"]:
        """Newest first; without those whose record is damaged."""
        folders = [RunFolder(path) for path in self._folders.all()]
        return sorted((one for one in folders if one.is_sound), key=lambda one: one.record.created, reverse=True)

    def delete(self, name: str) -> None:
        self._folders.delete(name)


class RunFolder:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record(self) -> RunRecord:
        """Raises StorageError for a damaged one."""
        try:
            return RunRecord.model_validate_json((self.path / RECORD).read_bytes())
        except (OSError, ValidationError) as error:
            raise StorageError(f"The record of the run {self.path.name} is damaged.") from error

    @property
    def is_sound(self) -> bool:
        with suppress(StorageError):
            return self.record.name == self.path.name
        return False

    def note_error(self, error: str) -> None:
        """Why the run as a whole has ended; empty when it goes on."""
        write_atomically(self.path / RECORD, self.record.model_copy(update={"error": error}).model_dump_json().encode())

    def inputs(self) -> Iterator[InputRow]:
        with (self.path / INPUT).open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield InputRow(number, hashlib.sha256(line).hexdigest()[:16], json.loads(line))

    @property
    def result_bytes(self) -> int:
        path = self.path / RESULTS
        return path.stat().st_size if path.is_file() else 0

    def results(self) -> "ResultIndex":
        return ResultIndex(self.path / RESULTS)

    def log(self) -> "ResultLog":
        return ResultLog(self.path / RESULTS)


class ResultIndex:
    """Where in the file each row's latest result stands. A last line that was cut off counts for nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[int, int] = {}
        self._keys: dict[int, str] = {}
        # Whether it may yet succeed.
        self._failed: dict[int, bool] = {}
        place = 0
        for line in self._lines():
            if (result := result_of(line)) is not None:
                self._places[result.row] = place
                self._keys[result.row] = result.key
                self._failed.pop(result.row, None)
                if result.error:
                    self._failed[result.row] = not result.is_final
            place += len(line)

    @property
    def tally(self) -> Tally:
        return Tally(len(self._places), len(self._failed), sum(self._failed.values()), self._first_failure())

    def has(self, row: InputRow, *, also_failed: bool = True) -> bool:
        """Whether this very row has a result, or one that trying again would not change."""
        return self._keys.get(row.number) == row.key and (also_failed or not self._failed.get(row.number, False))

    def of(self, rows: Iterator[InputRow]) -> Iterator[tuple[InputRow, RowResult | None]]:
        if not self._path.is_file():
            yield from ((row, None) for row in rows)
            return
        with self._path.open("rb") as file:
            for row in rows:
                place = self._places.get(row.number) if self.has(row) else None
                if place is not None:
                    file.seek(place)
                yield row, None if place is None else result_of(file.readline())

    def _first_failure(self) -> RowResult | None:
        if not self._failed:
            return None
        with self._path.open("rb") as file:
            file.seek(self._places[min(self._failed)])
            return result_of(file.readline())

    def _lines(self) -> Iterator[bytes]:
        if self._path.is_file():
            with self._path.open("rb") as file:
                yield from file


class ResultLog:
    """Appends results, each with one write; they are on the disk a second later at most, and when it is closed.

    Any thread may call. What a kill leaves of a last line is ended first, so that the next one stands by itself.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._synced = time.monotonic()
        try:
            self._file: BinaryIO = path.open("ab+", buffering=0)
            if self._file.tell():
                self._file.seek(-1, os.SEEK_END)
                if self._file.read(1) != b"\n":
                    self._file.write(b"\n")
        except OSError as error:
            raise StorageError(f"The results cannot be written: {error.strerror}.") from error

    def append(self, result: RowResult) -> None:
        """Raises StorageError, after which nothing of it stands in the file as a result."""
        line = result.model_dump_json().encode() + b"\n"
        with self._lock:
            try:
                if self._file.write(line) != len(line):
                    raise StorageError("The result could not be written: the disk is full.")
                if time.monotonic() - self._synced > SYNC_SECONDS:
                    os.fsync(self._file.fileno())
                    self._synced = time.monotonic()
            except OSError as error:
                raise StorageError(f"The result could not be written: {error.strerror}.") from error

    def close(self) -> None:
        with self._lock, suppress(OSError):
            os.fsync(self._file.fileno())
            self._file.close()


def result_of(line: bytes) -> RowResult | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return RowResult.model_validate_json(line)
    except ValidationError:
        return None
