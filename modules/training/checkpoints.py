"""A run's checkpoints: folders that get their names when they are whole, and are checked before they are used."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError

from modules.errors import TrainingError

STATE = "state.json"
PREFIX = "step-"
UNFINISHED = ".unfinished"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Left free for the rest of the system when a checkpoint is written.
SPARE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Progress:
    """How far a run has come. `seconds` were spent training; `worse` counts evaluations since the best one."""

    step: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None
    worse: int = 0


class Checkpoints:
    """Of one run, in `folder`; one process writes."""

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def path(self, step: int) -> Path:
        return self._folder / f"{PREFIX}{step:08d}"

    def has(self, step: int) -> bool:
        return self.path(step).is_dir()

    def save(self, progress: Progress, write: Callable[[Path], None], size_bytes: int) -> Path:
        """`write` puts about `size_bytes` of files into the folder it is given. Raises TrainingError when the disk is
        full; what was saved before stays whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._check_room(size_bytes)
        path = self.path(progress.step)
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            remove(unfinished)
            unfinished.mkdir()
            write(unfinished)
            hashes = {file.name: digest(file) for file in sorted(unfinished.iterdir())}
            state = {"progress": asdict(progress), "sha256": hashes}
            (unfinished / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            for file in unfinished.iterdir():
                sync(file)
            sync(unfinished)
            remove(path)
            unfinished.rename(path)
            sync(self._folder)
        except (OSError, SafetensorError) as error:
            remove(unfinished)
            raise disk_error(error) from error
        self._prune(progress.best_step)
        return path

    def newest(self, say: Callable[[str], None] = lambda sentence: None) -> Progress | None:
        """Of the newest whole one; None when there is none. `say` is told of those that are skipped."""
        for path in reversed(self._all()):
            try:
                return read_state(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                say(f"The checkpoint {path.name} is damaged ({str(error)[:200]}) and is skipped.")
        return None

    def _all(self) -> list[Path]:
        """Oldest first."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.glob(f"{PREFIX}*") if not path.name.endswith(UNFINISHED))

    def _prune(self, best_step: int | None) -> None:
        kept = {path.name for path in self._all()[-self._keep :]}
        if best_step is not None:
            kept.add(self.path(best_step).name)
        for path in self._folder.iterdir():
            if path.name not in kept:
                # Not under its name any more before the first of its files is gone.
                gone = path if path.name.endswith(UNFINISHED) else path.rename(path.with_name(path.name + UNFINISHED))
                remove(gone)

    def _check_room(self, size_bytes: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < size_bytes + SPARE_BYTES:
            raise TrainingError(
                f"There is no room for a checkpoint: it takes {megabytes(size_bytes)}, and {megabytes(free)} are free. "
                "The checkpoints before it are whole; free some space and resume the run.",
                cause="disk",
            )


def read_state(path: Path) -> Progress:
    """Raises an error that says what of the checkpoint is not whole."""
    state = json.loads((path / STATE).read_bytes())
    for name, expected in state["sha256"].items():
        if digest(path / name) != expected:
            raise ValueError(f"{name} is not what was written")
    return Progress(**state["progress"])


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Have the system bring it to the disk; a folder's entries where the system knows how."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def disk_error(error: OSError | SafetensorError) -> TrainingError:
    # safetensors tells what the system said as a text alone.
    is_full = error.errno in FULL if isinstance(error, OSError) else "os error 28" in str(error)
    if is_full:
        return TrainingError(
            "The disk became full while a checkpoint was written. The checkpoints before it are whole; free some space "
            "and resume the run.",
            cause="disk",
        )
    return TrainingError(f"A checkpoint could not be written: {error}.", cause="disk")


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
