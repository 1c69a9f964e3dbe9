"""The parent's side: files read in a child that is ended when it takes too long or tells too much."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from modules.extensions import DocumentReader, Passage

from .program import READERS

FILE_BYTES = 300 * 10**6
SECONDS = 300.0
CHARACTERS = 50_000_000
# Where this package lies, and what it is called there: the child imports it without the program.
PACKAGE = Path(__file__).resolve().parents[1]
PROGRAM = f"{PACKAGE.name}.{Path(__file__).parent.name}.program"


def document_readers(seconds: float = SECONDS) -> tuple[DocumentReader, ...]:
    kinds: dict[str, list[str]] = {}
    for suffix, (module, _) in READERS.items():
        kinds.setdefault(module, []).append(suffix)
    return tuple(DocumentReader(name, tuple(suffixes), reader(seconds)) for name, suffixes in kinds.items())


def reader(seconds: float) -> Callable[[Path], Iterator[Passage]]:
    return lambda path: read(path, seconds)


def read(path: Path, seconds: float = SECONDS) -> Iterator[Passage]:
    """Blocks as they are read. Raises ValueError, with a sentence, as soon as the file proves unreadable."""
    size = path.stat().st_size
    if size > FILE_BYTES:
        raise ValueError(f"This file has {size // 10**6:,} MB; {FILE_BYTES // 10**6} MB is the most.")
    child = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, path.suffix.lower(), str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"},
    )
    deadline = monotonic() + seconds
    clock = threading.Timer(seconds, child.kill)
    clock.start()
    try:
        assert child.stdout is not None
        yield from passages(child.stdout, lambda: monotonic() < deadline, seconds)
    finally:
        clock.cancel()
        child.kill()
        child.communicate()


def passages(lines: Any, in_time: Callable[[], bool], seconds: float) -> Iterator[Passage]:
    told = 0
    for line in lines:
        said: dict[str, Any] = json.loads(line)
        if "done" in said:
            return
        if "fault" in said:
            raise ValueError(str(said["fault"]))
        told += len(said["text"])
        if told > CHARACTERS:
            raise ValueError(f"This file holds more than {CHARACTERS:,} characters of text; split it.")
        yield Passage(said["text"], said["page"], said["heading"])
    if not in_time():
        raise ValueError(f"Reading this file took more than {seconds:.0f} seconds, so it was given up.")
    raise ValueError("Reading this file took too much memory or ended the reader, so it was given up.")
