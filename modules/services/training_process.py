"""One stretch of a finetuning run: a training process from its start or resumption to its end."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from modules.children import Child, Launcher
from modules.services.training_faults import death, told_fault

WORKER = "modules.training.worker"
STOPPING = "finishing the step and saving"


@dataclass(frozen=True)
class Ending:
    """How a stretch ended; `error` is a sentence, empty unless it failed."""

    state: Literal["done", "stopped", "failed"]
    error: str = ""


class TrainingProcess:
    """Any thread may call. `on_end` is called once, on the reader's thread, when the process is gone."""

    def __init__(
        self,
        launcher: Launcher,
        folder: Path,
        model: Path,
        on_end: Callable[[Ending], None],
        *,
        threads: int = 0,
        module: str = WORKER,
    ) -> None:
        """`folder` is the run's, `model` that of the model it teaches; `threads` 0: as many as there are cores."""
        self.note = "starting"
        self.total_steps = 0
        self._on_end = on_end
        self._ending: Ending | None = None
        self._stopping = False
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._child = Child(launcher, module, self._take_line, self._take_end)
        self._begun.set()
        order = {"folder": str(folder), "model": str(model), "threads": threads}
        with suppress(OSError):  # its end tells why
            self._child.send(json.dumps(order).encode())

    def stop(self) -> None:
        """Ask it to finish the step, save a checkpoint and leave. Any number of times."""
        self._stopping = True
        self.note = STOPPING
        with suppress(OSError):
            self._child.send(b'{"order": "stop"}')

    def kill(self) -> None:
        """At once; what was learned behind the newest checkpoint is lost."""
        self._stopping = True
        self._child.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is gone, its end told."""
        return self._ended.wait(seconds)

    def _take_line(self, line: bytes) -> None:
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        match told.get("kind"):
            case "status":
                self.total_steps = int(told.get("total_steps") or self.total_steps)
                if not self._stopping:
                    self.note = str(told.get("note", ""))
            case "done":
                self._ending = Ending("done")
            case "stopped":
                self._ending = Ending("stopped")
            case "error":
                message = str(told.get("message") or "The training failed.")
                self._ending = Ending("failed", told_fault(message, str(told.get("cause", ""))))
            case _ if not self._stopping:
                # The files hold the rest; that it comes says that steps are being made.
                self.note = ""
            case _:
                pass

    def _take_end(self, exit_status: int) -> None:
        self._begun.wait()
        if self._ending is None:
            # Whoever killed it knows why.
            killed = self._stopping and exit_status < 0
            self._ending = Ending("stopped") if killed else Ending("failed", death(exit_status, self._child.last_words))
        self._on_end(self._ending)
        self._ended.set()
