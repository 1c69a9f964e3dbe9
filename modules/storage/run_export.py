"""A run's rows with what came of them, as CSV or JSONL."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

from modules.limits import LIMITS
from modules.storage.batch_runs import InputRow, RunFolder
from modules.storage.tables import cell_of, csv_line
from modules.types.batch_runs import RowResult, TableFormat

Pair = tuple[InputRow, RowResult | None]
RESULT_COLUMNS = ("output", "finish_reason", "error")
NO_RESULT = RowResult(row=0, key="")


def export(run: RunFolder, form: TableFormat, *, with_fields: bool) -> Iterator[str]:
    """Lines in the order of the input; rows without a result have empty ones.

    `with_fields` adds a column for each field of a JSON output and for each label's probability. A result's column
    whose name the input has already gets a number. CSV cells are made safe for spreadsheets, JSONL is exact.
    """
    record, index = run.record, run.results()
    names = field_names(index.of(run.inputs())) if with_fields else []
    columns = free_names([*RESULT_COLUMNS, *names], record.input_columns)
    if form == "csv":
        yield csv_line([*record.input_columns, *columns])
    for row, result in index.of(run.inputs()):
        values = [*told(result or NO_RESULT), *(fields_of(result or NO_RESULT).get(name) for name in names)]
        if form == "csv":
            cells = [row.cells.get(name, "") for name in record.input_columns]
            yield csv_line([*cells, *map(cell_of, values)])
        else:
            yield json.dumps({**row.cells, **dict(zip(columns, values, strict=True))}, ensure_ascii=False) + "\n"


def told(result: RowResult) -> tuple[str, str, str]:
    return result.output, result.finish_reason, result.error


def field_names(pairs: Iterable[Pair]) -> list[str]:
    """In the order they first come; as many as a table may have columns."""
    names: dict[str, None] = {}
    for _, result in pairs:
        names.update(dict.fromkeys(fields_of(result) if result else ()))
    return list(names)[: LIMITS.run_columns]


def fields_of(result: RowResult) -> dict[str, Any]:
    """Probabilities of labels, or what a JSON output holds."""
    if result.fields or not result.output.startswith("{"):
        return result.fields
    with suppress(ValueError, RecursionError):
        content: Any = json.loads(result.output)
        if isinstance(content, dict):
            return cast("dict[str, Any]", content)
    return {}


def free_names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The same names, with a number behind those that are taken."""
    used = set(taken)
    names: list[str] = []
    for name in wanted:
        free, number = name, 2
        while free in used:
            free, number = f"{name} {number}", number + 1
        used.add(free)
        names.append(free)
    return names
