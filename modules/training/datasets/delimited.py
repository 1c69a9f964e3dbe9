"""CSV and TSV files, a row at a time."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.tables import check_columns, delimiter_of
from modules.training.datasets.rows import Row, Rows
from modules.training.datasets.utf8 import open_utf8
from modules.types.datasets import RowProblem

TAB = "\t"


def read_delimited(path: Path, file: str) -> Rows:
    """The first row names the columns and counts as 0; a column without a name goes by its place, as the index that
    pandas writes. Bytes that are not UTF-8 become half characters."""
    with open_utf8(path) as opened:
        lines = text_lines(opened)
        first = next(lines, "")
        delimiter = TAB if path.suffix.lower() == ".tsv" else delimiter_of(first)
        reader = csv.reader(chain((first,), lines), delimiter=delimiter, strict=True)
        try:
            columns = [name or f"column {place}" for place, name in enumerate(next(reader, ()), start=1)]
            check_columns(columns)
            for number, cells in enumerate(reader, start=1):
                if len(cells) > len(columns):
                    reason = f"The row has {len(cells):,} cells, but there are {len(columns):,} columns."
                    yield RowProblem(number, "", reason, file)
                elif cells:
                    padded = cells + [""] * (len(columns) - len(cells))
                    yield Row(number, dict(zip(columns, padded, strict=True)), file)
        except csv.Error as error:
            raise BadRequest(f"This is not written as CSV: {error}. The rest of the file cannot be read.") from error


def text_lines(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(LIMITS.dataset_row_bytes + 1):
        if len(line) > LIMITS.dataset_row_bytes:
            raise BadRequest(f"A line is longer than {LIMITS.dataset_row_bytes // 2**20} MiB, which is the limit.")
        yield line.decode("utf-8", "surrogateescape")
