"""What a training tells: lines for its folder and its parent, sentences for its log."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from modules.types.training import Metrics

METRICS = "metrics.jsonl"
LOG = "log.txt"


class Listener(Protocol):
    """Told of everything, on the training's thread."""

    def begin(self, step: int) -> None:
        """The run goes on behind `step`, 0 for its beginning: what was told of later ones counts no more."""
        ...

    def metrics(self, metrics: Metrics) -> None: ...

    def say(self, sentence: str) -> None:
        """Into the log."""
        ...

    def status(self, note: str, step: int, total_steps: int) -> None:
        """What is going on just now, empty while steps are made."""
        ...


class Nobody:
    """Listens to the processes of a run that are not its first."""

    def begin(self, step: int) -> None: ...

    def metrics(self, metrics: Metrics) -> None: ...

    def say(self, sentence: str) -> None: ...

    def status(self, note: str, step: int, total_steps: int) -> None: ...


class RunFolder:
    """A run's own files, and `send` to its parent."""

    def __init__(self, folder: Path, send: Callable[[bytes], None]) -> None:
        self._folder = folder
        self._send = send

    def begin(self, step: int) -> None:
        path = self._folder / METRICS
        kept = lines_until(path, step) if step and path.is_file() else b""
        replace_file(path, kept)

    def metrics(self, metrics: Metrics) -> None:
        line = metrics.model_dump_json().encode()
        with (self._folder / METRICS).open("ab") as file:
            file.write(line + b"\n")
        self._send(line)

    def say(self, sentence: str) -> None:
        with (self._folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}\n")

    def pass_on(self, line: bytes) -> None:
        """What another process of the run has told."""
        self._send(line)

    def status(self, note: str, step: int, total_steps: int) -> None:
        told = {"kind": "status", "note": note, "step": step, "total_steps": total_steps}
        self._send(json.dumps(told).encode())


def lines_until(path: Path, step: int) -> bytes:
    """The lines of steps up to this one; one that is broken was the last, written when the process was killed."""
    kept: list[bytes] = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                break
        except (ValueError, KeyError, TypeError):
            break
        kept.append(line)
    return b"".join(kept)


def replace_file(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
