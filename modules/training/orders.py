"""What a training process is told: its order, and later to stop."""

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """`folder` is the run's, `model` that of the model it teaches."""

    folder: Path
    model: Path
    threads: int


def obey(lines: Iterable[bytes], stop: threading.Event) -> None:
    """Until the pipe's end, which means: leave at once."""
    for line in lines:
        if json.loads(line).get("order") == "stop":
            stop.set()
    os._exit(1)
