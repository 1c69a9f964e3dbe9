"""The first rows of a dataset: what they are taken for, and what becomes of them."""

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from modules.errors import BadRequest
from modules.training.datasets.checking import NAMED
from modules.training.datasets.conversion import converted
from modules.training.datasets.order import ReadOrder
from modules.training.datasets.recognition import Recognition, column_names, recognise, values_of
from modules.training.datasets.rows import Row
from modules.types.datasets import Column, DatasetLook, Example, RowProblem

LOOKED_AT = 100
MOST_BROKEN = 10_000
SHOWN_EXAMPLES = 5
SAMPLE_CHARS = 200


def recognised(rows: Iterable[Row | RowProblem], order: ReadOrder) -> Recognition:
    """By the first rows. Raises BadRequest when there are none, or a person must say more.

    Where every row is broken nothing need be recognised: each is told as it is read.
    """
    first = beginning(rows)
    if not first:
        raise BadRequest("There are no rows in this data: it is empty, or a header alone. Choose other data.")
    found = recognise(sound(first), order.format, order.columns)
    if found.fault and sound(first):
        raise BadRequest(found.fault, field="columns")
    return found


def look_at(rows: Iterable[Row | RowProblem], order: ReadOrder) -> DatasetLook:
    """Problems are those of the rows that were looked at."""
    first = beginning(rows)
    usable = sound(first)
    found = recognise(usable, order.format, order.columns)
    results = [one if isinstance(one, RowProblem) or found.fault else converted(one, found) for one in first]
    problems = [one for one in results if isinstance(one, RowProblem)]
    if found.fault:
        problems.append(RowProblem(0, "", found.fault))
    return DatasetLook(
        format=found.format,
        is_certain=found.is_certain,
        columns=tuple(Column(name, sample_of(values_of(usable, name))) for name in column_names(usable)),
        mapping=dict(found.mapping),
        first=tuple([one for one in results if isinstance(one, Example)][:SHOWN_EXAMPLES]),
        problems=tuple(problems[:NAMED]),
    )


def beginning(rows: Iterable[Row | RowProblem]) -> list[Row | RowProblem]:
    """As far as there are enough rows that can be read."""
    first: list[Row | RowProblem] = []
    found = 0
    for row in islice(rows, MOST_BROKEN):
        first.append(row)
        found += isinstance(row, Row)
        if found == LOOKED_AT:
            break
    return first


def sound(rows: Sequence[Row | RowProblem]) -> list[Row]:
    return [row for row in rows if isinstance(row, Row)]


def sample_of(values: Sequence[Any]) -> str:
    """The first value there is, shortened."""
    if not values:
        return ""
    try:
        text = values[0] if isinstance(values[0], str) else json.dumps(values[0], ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "(nested too deep)"
    return text if len(text) <= SAMPLE_CHARS else text[: SAMPLE_CHARS - 1] + "…"
