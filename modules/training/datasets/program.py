"""`python -m modules.training.datasets.program PARENT_PID` reads one dataset, in bounded memory.

It answers a ReadOrder with {"look"}, {"check"}, or many {"rows"}, lists of {"sample"} and {"problem"}; at last comes
{"done"}, or {"error", "field"}. While it checks it says how many rows were: {"checked"}.
"""

import csv
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from modules.children import ParentPipe, limit_memory
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.checking import DatasetChecker
from modules.training.datasets.conversion import converted, texts_of
from modules.training.datasets.files import read_rows
from modules.training.datasets.hub import read_hub_rows
from modules.training.datasets.looking import look_at, recognised
from modules.training.datasets.order import ReadOrder
from modules.training.datasets.rows import Row, Rows
from modules.training.samples import line_of
from modules.types.datasets import Example, RowProblem

LINE_CHARS = 64 * 1024
# What a row's names and numbers take.
ROW_CHARS = 100
TELL_SECONDS = 0.5


def main() -> None:
    pipe = ParentPipe()
    csv.field_size_limit(LIMITS.dataset_row_bytes)
    for line in pipe.lines():
        order = ReadOrder.model_validate_json(line)
        # What the hub's library has downloaded is mapped whole, whatever its size.
        limit_memory(order.memory_bytes, count_files=False)
        for answer in answers(order):
            # Halves of surrogate pairs, which JSON can hold in names, become question marks.
            pipe.send(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
        break
    os._exit(0)


def answers(order: ReadOrder) -> Iterator[dict[str, Any]]:
    try:
        match order.wanted:
            case "look":
                look = look_at(rows_of(order), order)
                yield {"look": asdict(look)}
            case "check":
                yield from checked(samples(order))
            case "samples":
                yield from together(samples(order))
        yield {"done": True}
    except BadRequest as error:
        yield {"error": str(error), "field": error.field}
    except MemoryError:
        limit = order.memory_bytes // 2**20
        yield {"error": f"Reading it needs more than {limit:,} MiB of memory, which is the limit.", "field": None}


def checked(rows: Iterable[Example | RowProblem]) -> Iterator[dict[str, Any]]:
    """How many were read so far, twice a second; at last what was found."""
    checker = DatasetChecker()
    told = time.monotonic()
    for count, row in enumerate(rows, 1):
        checker.take(row)
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            yield {"checked": count}
    yield {"check": asdict(checker.result())}


def together(rows: Iterable[Example | RowProblem]) -> Iterator[dict[str, Any]]:
    """Many short rows in a line, for each line costs both sides something."""
    waiting: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        waiting.append({"problem": asdict(row)} if isinstance(row, RowProblem) else {"sample": line_of(row)})
        size += ROW_CHARS if isinstance(row, RowProblem) else ROW_CHARS + sum(map(len, texts_of(row)))
        if size >= LINE_CHARS:
            yield {"rows": waiting}
            waiting, size = [], 0
    yield {"rows": waiting}


def samples(order: ReadOrder) -> Iterator[Example | RowProblem]:
    recognition = recognised(rows_of(order), order)
    for row in rows_of(order):
        yield converted(row, recognition) if isinstance(row, Row) else row


def rows_of(order: ReadOrder) -> Rows:
    is_whole = order.wanted != "look"
    rows: Iterable[Row | RowProblem]
    rows = read_hub_rows(order.hub, is_whole=is_whole) if order.hub else read_rows(Path(order.place))
    yield from islice(rows, order.first_rows or None)


if __name__ == "__main__":
    main()
