"""CSV files: each row a block that names its columns, so that a row found alone can be understood."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from .blocks import Block
from .plain import text_of

SAMPLE = 8192
DELIMITERS = ",;\t|"


def read_csv(path: Path) -> Iterator[Block]:
    """The first row holds the names of the columns. Raises ValueError."""
    text = text_of(path)
    try:
        dialect = csv.Sniffer().sniff(text[:SAMPLE], DELIMITERS)
    except csv.Error:
        dialect = csv.excel
    rows = csv.reader(io.StringIO(text, newline=""), dialect)
    nothing: list[str] = []
    try:
        names = next(rows, nothing)
        for row in rows:
            if line := described(names, row):
                yield Block(line)
    except csv.Error as error:
        raise ValueError(f"Row {rows.line_num} of this table cannot be read: {error}.") from error


def described(names: list[str], row: list[str]) -> str:
    """`name: value; name: value`, without the empty cells."""
    cells: list[str] = []
    for place, value in enumerate(row):
        name = names[place].strip() if place < len(names) else ""
        if value := " ".join(value.split()):
            cells.append(f"{name}: {value}" if name else value)
    return "; ".join(cells)
