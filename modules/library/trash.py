"""Deleted models: kept on the same file system until the trash is emptied, with a note of where they came from."""

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from modules.errors import NotFound, ParlorError, StorageError
from modules.storage.files import write_atomically
from modules.storage.moves import Mover, Plan

ID = re.compile(r"[0-9a-f]{16}")
NOTE = "trash.json"
FILES = "files"
MAX_NOTE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class TrashedModel:
    """`deleted` is Unix seconds; `paths` are where its files were in the models' folder, with `/`; `link` is where the
    files of a linked model are, which were left alone."""

    id: str
    name: str
    size_bytes: int
    deleted: float
    paths: tuple[str, ...] = ()
    link: str = ""


class Trash:
    """Each model in a folder of its own: a note, and its files at the places that they had in `models`."""

    def __init__(self, models: Path, folder: Path, mover: Mover) -> None:
        self._models = models
        self._folder = folder
        self._mover = mover

    def put(self, name: str, size_bytes: int, paths: Sequence[Path], link: str = "") -> TrashedModel:
        """The note is written first, so that a crash never leaves files that nobody knows."""
        inside = tuple(path.relative_to(self._models).as_posix() for path in paths)
        model = TrashedModel(secrets.token_hex(8), name, size_bytes, time.time(), inside, link)
        place = self._folder / model.id
        try:
            place.mkdir(parents=True)
        except OSError as error:
            raise StorageError(f"The trash cannot be written: {error.strerror}.") from error
        write_atomically(place / NOTE, json.dumps(asdict(model)).encode())
        try:
            self._mover.carry_out(Plan(tuple((self._models / path, place / FILES / path) for path in inside)))
        except ParlorError:
            (place / NOTE).unlink(missing_ok=True)
            raise
        return model

    def models(self) -> list[TrashedModel]:
        """Newest first."""
        if not self._folder.is_dir():
            return []
        found = [self._read(place) for place in self._folder.iterdir() if ID.fullmatch(place.name)]
        return sorted((model for model in found if model is not None), key=lambda model: -model.deleted)

    def find(self, trash_id: str) -> TrashedModel:
        for model in self.models():
            if model.id == trash_id:
                return model
        raise NotFound(f"There is nothing {trash_id[:64]!r} in the trash.", field="id")

    def take_out(self, model: TrashedModel) -> None:
        """Its files go where they were. Raises Conflict when something else is there now."""
        files = self._folder / model.id / FILES
        here = [path for path in model.paths if (files / path).exists()]
        self._mover.carry_out(Plan(tuple((files / path, self._models / path) for path in here)))
        shutil.rmtree(self._folder / model.id, ignore_errors=True)

    def empty(self) -> int:
        """Removes all for good; returns the bytes that were freed."""
        freed = sum(model.size_bytes for model in self.models())
        if self._folder.is_dir():
            for place in self._folder.iterdir():
                if ID.fullmatch(place.name):
                    shutil.rmtree(place, ignore_errors=True)
        return freed

    def _read(self, place: Path) -> TrashedModel | None:
        """None for what is damaged, and for what was noted but never moved."""
        try:
            with (place / NOTE).open("rb") as file:
                values: dict[str, Any] = json.loads(file.read(MAX_NOTE_BYTES))
            model = TrashedModel(
                place.name,
                str(values["name"]),
                int(values["size_bytes"]),
                float(values["deleted"]),
                tuple(path for path in values["paths"] if is_plain(path)),
                str(values["link"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return model if model.link or (place / FILES).is_dir() else None


def is_plain(path: str) -> bool:
    """Whether it leads nowhere but down: the note may have come with files of others."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not PurePosixPath(path).is_absolute()
