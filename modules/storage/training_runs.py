"""Finetuning runs on the disk: a folder each, which the program begins and a training process fills."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modules.errors import BadRequest, StorageError
from modules.storage.files import write_atomically
from modules.storage.named_folders import NamedFolders
from modules.storage.recipe_files import read_whole_recipe, written_recipe
from modules.storage.training_metrics import MetricsLog
from modules.types.recipes import Recipe
from modules.types.training import RunRecord

RECORD = "record.json"
RECIPE = "recipe.yaml"
SAMPLES = "samples.jsonl"
EVALUATION = "evaluation.jsonl"
METRICS = "metrics.jsonl"
LOG = "log.txt"
RESULT = "result"
# Of the log that is shown: what is older is in the file.
LOG_BYTES = 256 * 1024


class TrainingStore:
    """Any thread may call. A folder appears under its name when it is whole, and is gone at once."""

    def __init__(self, folder: Path) -> None:
        self._folders = NamedFolders(folder, RECORD, "run")
        # What was read of a run is kept with it.
        self._known: dict[Path, TrainingFolder] = {}

    def create(self, recipe: Recipe, fill: Callable[[Path], RunRecord]) -> "TrainingFolder":
        """`fill` writes the samples and returns the record.

        Raises Conflict for a name that is taken, BadRequest for one that cannot be used, and what `fill` raises.
        """

        def write(folder: Path) -> None:
            record = fill(folder)
            write_atomically(folder / RECIPE, written_recipe(recipe).encode())
            write_atomically(folder / RECORD, record.model_dump_json(indent=1).encode())

        return self._at(self._folders.create(recipe.name, write))

    def check_free(self, name: str) -> Path:
        """Where it would be. Raises as `create` does."""
        return self._folders.check_free(name)

    def find(self, name: str) -> "TrainingFolder":
        """Raises NotFound."""
        return self._at(self._folders.find(name))

    def all(self) -> list["TrainingFolder"]:
        """Newest first; without those whose record or recipe is damaged."""
        folders = [self._at(path) for path in self._folders.all()]
        return sorted((one for one in folders if one.is_sound), key=lambda one: one.record.created, reverse=True)

    def set_aside(self, name: str) -> str:
        """It counts no more; the token brings it back. Raises NotFound, or StorageError."""
        path = self._folders.find(name)
        token = self._folders.set_aside(name)
        self._known.pop(path, None)
        return token

    def bring_back(self, token: str, name: str) -> None:
        """Raises NotFound for what is gone, Conflict where the name is taken meanwhile, or StorageError."""
        self._folders.bring_back(token, name)

    def discard(self, token: str) -> None:
        self._folders.discard(token)

    def _at(self, path: Path) -> "TrainingFolder":
        return self._known.setdefault(path, TrainingFolder(path))


class TrainingFolder:
    """One run's files. The record is written by the program alone, all behind the samples by the training process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = MetricsLog(self.metrics_path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> RunRecord:
        """Raises StorageError for a damaged one."""
        try:
            return RunRecord.model_validate_json((self.path / RECORD).read_bytes())
        except (OSError, ValidationError) as error:
            raise StorageError(f"The record of the run {self.name} is damaged.") from error

    @cached_property
    def recipe(self) -> Recipe:
        """It never changes. Raises StorageError for a damaged one."""
        try:
            return read_whole_recipe(self.recipe_text)
        except BadRequest as error:
            raise StorageError(f"The recipe of the run {self.name} is damaged: {error}") from error

    @property
    def recipe_text(self) -> str:
        try:
            return (self.path / RECIPE).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise StorageError(f"The recipe of the run {self.name} cannot be read.") from error

    @property
    def is_sound(self) -> bool:
        with suppress(StorageError):
            return self.record.name == self.name and bool(self.recipe)
        return False

    @property
    def metrics_path(self) -> Path:
        return self.path / METRICS

    @property
    def result(self) -> Path:
        return self.path / RESULT

    @property
    def log(self) -> str:
        """Its end, from the beginning of a line."""
        path = self.path / LOG
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - LOG_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
        return text if size <= LOG_BYTES else text.partition("\n")[2]

    def update(self, changes: dict[str, Any]) -> RunRecord:
        """The record with these fields changed."""
        record = RunRecord.model_validate({**self.record.model_dump(), **changes})
        write_atomically(self.path / RECORD, record.model_dump_json(indent=1).encode())
        return record
