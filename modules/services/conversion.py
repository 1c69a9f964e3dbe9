"""GGUF models as folders in Hugging Face format, so that transformers can run and finetune them."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules.children import Launcher
from modules.errors import BadRequest, ModelError, NotFound, StorageError
from modules.jobs import JobRunner
from modules.library.folders import read_model_folder
from modules.library.headers import read_gguf_header
from modules.library.library import Library
from modules.paths import Paths
from modules.services.child_task import Report, run_task
from modules.storage.files import resolve_name
from modules.types.jobs import Job

PROGRAM = "modules.engines.hf.convert"
# bfloat16, and as much again for what is in between.
BYTES_PER_PARAMETER = 2
# In the folder: which file it was made of.
ORIGIN = "parlor-origin.json"
MAX_ORIGIN_BYTES = 4096


def origin_of(folder: Path) -> str:
    """The name of the GGUF file that a folder was made of; empty where it does not say."""
    try:
        said: Any = json.loads((folder / ORIGIN).read_bytes()[:MAX_ORIGIN_BYTES])
    except (OSError, ValueError):
        return ""
    match said:
        case {"file": str(name)}:
            return name
        case _:
            return ""


class ConversionService:
    def __init__(self, paths: Paths, library: Library, launcher: Launcher) -> None:
        self._paths = paths
        self._library = library
        self._launcher = launcher

    def start(self, jobs: JobRunner, source: str, target: str) -> Job:
        """`convert` as a job. Raises at once what it would raise before it begins."""
        self._checked(source, target)
        return jobs.start(
            f"convert {source} to {target}",
            lambda report, cancelled: self._ended(source, target, report, cancelled),
        )

    def convert(self, source: str, target: str, report: Report, cancelled: Callable[[], bool]) -> Path:
        """Turn the GGUF model `source`, a model's name or a path, into the new model `target`; returns its folder.

        Nothing is published before it is whole. Raises NotFound, BadRequest, ModelError or StorageError.
        """
        file, folder = self._checked(source, target)
        self._paths.downloads.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="convert-", dir=self._paths.downloads))
        try:
            # In a child of its own: unpacking takes memory, which the operating system gets back whole.
            order = {"source": str(file), "target": str(staging)}
            subject = f"The conversion of {file.name}"
            run_task(self._launcher, PROGRAM, order, subject=subject, report=report, cancelled=cancelled)
            read_model_folder(staging)
            (staging / ORIGIN).write_text(json.dumps({"file": file.name}), encoding="utf-8")
            staging.chmod(0o755)
            staging.rename(folder)
        except OSError as error:
            raise StorageError(f"The converted model could not be written: {error.strerror}.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        report(1.0, "done")
        return folder

    def _ended(self, source: str, target: str, report: Report, cancelled: Callable[[], bool]) -> None:
        self.convert(source, target, report, cancelled)

    def _checked(self, source: str, target: str) -> tuple[Path, Path]:
        """(the file, the folder that will be)."""
        file = self._source(source)
        folder = resolve_name(self._paths.models, target)
        if folder.exists():
            raise BadRequest(f"There is a model called {target} already; choose another name.", field="target")
        header = read_gguf_header(file)
        self._require_space(header.shape.parameters * BYTES_PER_PARAMETER)
        return file, folder

    def _source(self, source: str) -> Path:
        try:
            model = self._library.find(source)
        except NotFound:
            path = Path(source)
            if path.suffix == ".gguf" and path.is_file():
                return path.absolute()
            raise
        if model.format != "gguf" or model.path is None:
            raise BadRequest(f"{source} is not a GGUF model, so there is nothing to convert.", field="source")
        if model.problem:
            raise ModelError(f"{source} cannot be converted: {model.problem}")
        return model.path

    def _require_space(self, needed: int) -> None:
        self._paths.models.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._paths.models).free
        if free < needed:
            raise StorageError(f"The converted model needs {needed // 10**6:,} MB; {free // 10**6:,} MB are free.")
