"""Adapters in llama.cpp's form: a file in the adapter's own folder, made when it is first needed."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from modules.children import Launcher
from modules.errors import BadRequest, ModelError, StorageError
from modules.library.headers import read_gguf_header
from modules.services.child_task import Report, run_task
from modules.types.local_adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, GGUF_ADAPTER, LocalAdapter
from modules.types.local_model import ModelShape

PROGRAM = "modules.training.export.program"


class GgufAdapters:
    """Any thread may call; one file is made at a time."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._lock = threading.Lock()

    def file(
        self,
        adapter: LocalAdapter,
        shape: ModelShape,
        report: Report = lambda _progress, _note: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Path:
        """For models of this shape. Raises BadRequest for an adapter that llama.cpp cannot apply, StorageError."""
        if adapter.kind == "prompt_tuning":
            raise BadRequest(
                "llama.cpp applies no adapters of prompt tuning. Load the model with the transformers engine.",
                field="name",
            )
        target = adapter.path / GGUF_ADAPTER
        with self._lock:
            if not is_current(target, shape):
                self._make(adapter, shape, target, report, cancelled)
        return target

    def _make(
        self, adapter: LocalAdapter, shape: ModelShape, target: Path, report: Report, cancelled: Callable[[], bool]
    ) -> None:
        part = target.with_name(f".{GGUF_ADAPTER}.part")
        order = {
            "task": "adapter",
            "adapter": str(adapter.path.absolute()),
            "target": str(part.absolute()),
            "shape": {
                "architecture": shape.architecture,
                "layers": shape.layers,
                "heads": shape.heads,
                "kv_heads": shape.kv_heads,
            },
        }
        subject = f"The adapter {adapter.name} for llama.cpp"
        try:
            if not os.access(adapter.path, os.W_OK):
                raise StorageError(f"The folder of the adapter {adapter.name} cannot be written.")
            run_task(self._launcher, PROGRAM, order, subject=subject, report=report, cancelled=cancelled)
            part.replace(target)
        except ModelError as error:
            raise BadRequest(str(error), field="name") from error
        except OSError as error:
            raise StorageError(f"{subject} could not be written: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)


def is_current(target: Path, shape: ModelShape) -> bool:
    """Whether it was made of the adapter as it is now, for such a model."""
    try:
        made = target.stat().st_mtime_ns
        sources = [target.with_name(name).stat().st_mtime_ns for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)]
        return made > max(sources) and read_gguf_header(target).shape.architecture == shape.architecture
    except (OSError, ModelError):
        return False
