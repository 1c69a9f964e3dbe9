"""Log files as passages of some lines, each with the time it begins at."""

import re
from collections.abc import Iterator
from pathlib import Path

from modules.extensions import Passage

LINES = 40
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?|\d\d:\d\d:\d\d")


def read(path: Path) -> Iterator[Passage]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    if not lines:
        raise ValueError(f"{path.name} is empty.")
    for begin in range(0, len(lines), LINES):
        text = "".join(lines[begin : begin + LINES])
        time = TIME.search(text)
        yield Passage(text, heading=f"from line {begin + 1}" + (f", {time[0]}" if time else ""))
