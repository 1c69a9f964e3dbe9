"""A row as a file holds it, before anything is known of its meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modules.types.datasets import RowProblem


@dataclass(frozen=True)
class Row:
    """`number` counts from 1 in `file`. Cells are what the file holds: texts, numbers, lists, None."""

    number: int
    cells: Mapping[str, Any]
    file: str


# What cannot be read is told in its place. A reader raises BadRequest or OSError where it can read no further.
Rows = Iterator[Row | RowProblem]
