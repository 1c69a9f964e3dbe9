"""Models from anywhere on disk: copied whole, or not at all."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from modules.errors import BadRequest, Cancelled, ModelError, StorageError
from modules.library.describe import describe
from modules.library.folders import is_pickled_name
from modules.library.gguf_reader import MAGIC
from modules.library.placing import Place
from modules.library.scan import Candidate, candidate_at
from modules.paths import Paths
from modules.storage.moves import Mover, Plan

NO_MODEL = (
    "There is no model at this path. Name a GGUF file, or a folder with config.json and safetensors files, "
    "by its full path."
)
CHUNK_BYTES = 4 * 1024 * 1024
MAX_FILES = 10_000
STAGED = "import-"
ABANDONED_SECONDS = 3600

Report = Callable[[float | None, str], None]
Cancel = Callable[[], bool]
Copy = tuple[Path, Path]


class ModelImport:
    def __init__(self, paths: Paths, mover: Mover) -> None:
        self._models = paths.models
        self._staging = paths.downloads
        self._mover = mover

    def clean_up(self) -> None:
        """Removes what an import left that ended with the program; not of an hour ago, which may be another's."""
        for staging in self._staging.glob(f"{STAGED}*"):
            with suppress(OSError):
                if staging.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                    shutil.rmtree(staging, ignore_errors=True)

    def candidate(self, path: str) -> Candidate:
        """Raises BadRequest, in the same words for what is no model and what is not there; ModelError if damaged."""
        place = expanded(path)
        found = candidate_at(place) if place is not None else None
        if found is None or not looks_right(found):
            raise BadRequest(NO_MODEL, field="path")
        if found.path.is_relative_to(self._models):
            raise BadRequest("This model is in the models folder already.", field="path")
        described = describe(found)
        if described.problem:
            raise ModelError(f"This model is damaged: {described.problem}")
        if not described.is_model:
            raise BadRequest(
                "This file belongs to models, but is none: an adapter, or what reads images.", field="path"
            )
        return found

    def copying(self, candidate: Candidate, place: Place) -> Callable[[Report, Cancel], None]:
        """The job; nothing is left of it when it fails or is cancelled. Raises StorageError at once without space."""
        copies = copies_of(candidate, place)
        sizes = [source.stat().st_size for source, _ in copies]
        self._require_space(sum(sizes))

        def work(report: Report, cancelled: Cancel) -> None:
            staging: Path | None = None
            try:
                staging = Path(tempfile.mkdtemp(prefix=STAGED, dir=self._staging))
                staged = [(source, staging / target.relative_to(self._models)) for source, target in copies]
                copy_files(staged, sum(sizes), report, cancelled)
                tops = top_paths(candidate, place)
                self._mover.carry_out(Plan(tuple((staging / top.relative_to(self._models), top) for top in tops)))
            except OSError as error:
                raise StorageError(f"The model could not be copied: {error.strerror}.") from error
            finally:
                if staging is not None:
                    shutil.rmtree(staging, ignore_errors=True)
            report(1.0, "done")

        return work

    def _require_space(self, needed: int) -> None:
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The models folder cannot be written: {error.strerror}.") from error
        free = shutil.disk_usage(self._staging).free
        if free < needed:
            raise StorageError(f"The copy needs {needed // 10**6:,} MB; {free // 10**6:,} MB are free.")


def expanded(path: str) -> Path | None:
    """An absolute path; None for what cannot be one."""
    try:
        place = Path(path.strip()).expanduser()
    except RuntimeError:  # the home of nobody
        return None
    return place if place.is_absolute() and "\0" not in path else None


def looks_right(candidate: Candidate) -> bool:
    """Whether a file begins as a model does; other files are described to nobody."""
    if candidate.format != "gguf":
        return True
    try:
        with candidate.path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def copies_of(candidate: Candidate, place: Place) -> list[Copy]:
    """(from, to) of every file; of a folder without pickled weights and hidden files. Links are followed."""
    if candidate.format == "gguf":
        copies = list(zip((file.path for file in candidate.files), top_paths(candidate, place), strict=False))
        return [*copies, (candidate.projector, place.projector)] if candidate.projector else copies
    (target,) = place.targets("safetensors", 1)
    copies = [
        (Path(folder) / name, target / Path(folder).relative_to(candidate.path) / name)
        for folder, _, names in os.walk(candidate.path)
        for name in names
        if not is_pickled_name(name) and not is_hidden(candidate.path, Path(folder) / name)
    ]
    if len(copies) > MAX_FILES:
        raise BadRequest(f"This folder holds more than {MAX_FILES:,} files, which is the limit.", field="path")
    return copies


def is_hidden(root: Path, file: Path) -> bool:
    """What is no file counts as hidden too: a pipe, or a link to nothing."""
    return any(part.startswith(".") for part in file.relative_to(root).parts) or not file.is_file()


def top_paths(candidate: Candidate, place: Place) -> list[Path]:
    """What is published: a folder, or files."""
    targets = place.targets(candidate.format, len(candidate.files))
    return [*targets, place.projector] if candidate.projector else targets


def copy_files(copies: Sequence[Copy], total_bytes: int, report: Report, cancelled: Cancel) -> None:
    done = 0
    for source, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                if cancelled():
                    raise Cancelled("The import was cancelled.")
                writer.write(chunk)
                done += len(chunk)
                report(min(done / max(total_bytes, 1), 1.0), f"copying {target.name}")
            writer.flush()
            os.fsync(writer.fileno())
