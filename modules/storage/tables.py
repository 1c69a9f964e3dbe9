"""Tables from CSV and JSONL files and folders of texts, and CSV lines that no spreadsheet takes for formulas."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.batch_runs import Table

DELIMITERS = (",", ";", "\t")
TEXT_FILES = "*.txt, *.md"
NOTHING_THERE = "There is no CSV file, JSONL file or folder of texts at this path. Write its full path."
# What spreadsheets take for the beginning of a formula, in wide letters too: owasp.org, "CSV Injection".
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
COLUMN_CHARS = 200
LONGEST_TEXT_BYTES = 4 * LIMITS.run_cell_chars


def read_table(file_name: str, content: bytes) -> Table:
    """By the ending of the name. Raises BadRequest naming the row and column that are wrong."""
    if len(content) > LIMITS.run_input_bytes:
        raise refusal(f"it is larger than {LIMITS.run_input_bytes // 2**20} MiB, which is the limit")
    ending = Path(file_name).suffix.lower()
    if ending in {".csv", ".tsv"}:
        columns, rows = csv_rows(text_of(content))
    elif ending in {".jsonl", ".ndjson"}:
        columns, rows = jsonl_rows(text_of(content))
    else:
        raise BadRequest("The file's name must end in .csv, .tsv, .jsonl or .ndjson.", field="file_name")
    table = Table(
        tuple(columns), tuple(rows), Path(file_name).name, "jsonl" if "json" in ending or "nd" in ending else "csv"
    )
    check(table)
    return table


def read_path(path: str, pattern: str) -> Table:
    """A file, or a folder of texts whose names match one of the patterns: columns `file` and `text`.

    Raises BadRequest, in the same words whether nothing is there or nothing that may be read.
    """
    try:
        place = Path(path.strip()).expanduser()
        if "\0" in path or not place.is_absolute():
            raise BadRequest(NOTHING_THERE, field="path")
        if place.is_dir():
            return read_folder(place, pattern)
        if place.suffix.lower() not in {".csv", ".tsv", ".jsonl", ".ndjson"} or not place.is_file():
            raise BadRequest(NOTHING_THERE, field="path")
        with place.open("rb") as file:
            return read_table(place.name, file.read(LIMITS.run_input_bytes + 1))
    except (OSError, RuntimeError) as error:
        raise BadRequest(NOTHING_THERE, field="path") from error


def read_folder(folder: Path, pattern: str) -> Table:
    patterns = [one.strip() for one in (pattern or TEXT_FILES).split(",") if one.strip()]
    rows: list[dict[str, str]] = []
    size = 0
    for file in files_below(folder, patterns):
        name = file.relative_to(folder).as_posix()
        with file.open("rb") as opened:
            content = opened.read(LONGEST_TEXT_BYTES + 1)
        if len(content) > LONGEST_TEXT_BYTES:
            raise refusal(
                f"the file {name[:200]} has more than {LIMITS.run_cell_chars:,} characters, which is the limit"
            )
        size += len(content)
        if len(rows) == LIMITS.run_rows or size > LIMITS.run_input_bytes:
            raise refusal(
                f"the folder holds more than {LIMITS.run_rows:,} matching files or "
                f"{LIMITS.run_input_bytes // 2**20} MiB, which are the limits"
            )
        try:
            rows.append({"file": name, "text": content.decode("utf-8-sig")})
        except UnicodeDecodeError as error:
            raise refusal(f"the file {name[:200]} is not UTF-8 text") from error
    if not rows:
        raise refusal(f"no file in the folder matches {', '.join(patterns)}")
    table = Table(("file", "text"), tuple(rows), folder.name)
    check(table)
    return table


def files_below(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """In the order of their names; no hidden ones, and no links."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            path = Path(parent) / name
            fits = any(fnmatchcase(name, one) for one in patterns) and not name.startswith(".")
            if fits and not path.is_symlink() and path.is_file():
                yield path


def csv_rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """The first row names the columns."""
    delimiter = delimiter_of(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = (cells for cells in numbered(reader) if any(cells[1]))
    _, columns = next(lines, (0, list[str]()))
    check_columns(columns)
    rows: list[dict[str, str]] = []
    for number, cells in lines:
        if len(cells) > len(columns):
            raise refusal(f"row {number} has {len(cells)} cells, but there are {len(columns)} columns")
        check_count(rows)
        rows.append(dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True)))
    return columns, rows


def delimiter_of(first_line: str) -> str:
    """Comma, semicolon or tab, whichever the line has most of."""
    return max(DELIMITERS, key=first_line.count)


def numbered(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows as people count them, the header being 0."""
    number = 0
    try:
        for number, cells in enumerate(reader):
            yield number, cells
    except csv.Error as error:
        raise refusal(f"row {number + 1} is not written as CSV: {error}") from error


def jsonl_rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """An object a line; what is no text is taken as JSON."""
    rows: list[dict[str, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            check_count(rows)
            rows.append(cells_of(number, line))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    check_columns(columns)
    return columns, [{name: row.get(name, "") for name in columns} for row in rows]


def cells_of(number: int, line: str) -> dict[str, str]:
    try:
        content: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise refusal(f"line {number} is no JSON: {error.msg}, at character {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise refusal(f"line {number} is no JSON: {str(error)[:200]}") from error
    if not isinstance(content, dict):
        raise refusal(f"line {number} is no JSON object, in curly brackets")
    return {name: cell_of(value) for name, value in cast("dict[str, Any]", content).items()}


def cell_of(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text_of(content: bytes) -> str:
    """Bytes that are not UTF-8 become half characters, which `check` finds where they stand."""
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def check_columns(columns: Sequence[str]) -> None:
    if not columns:
        raise refusal("it has no columns")
    if len(columns) > LIMITS.run_columns:
        raise refusal(f"it has {len(columns):,} columns; {LIMITS.run_columns} is the limit")
    for name in columns:
        if not name.strip() or len(name) > COLUMN_CHARS or name.splitlines() != [name]:
            raise refusal(f"a column needs a name of 1 to {COLUMN_CHARS} characters on one line, not {name[:40]!r}")
        if columns.count(name) > 1:
            raise refusal(f"two columns are called {name[:80]!r}")
        if not is_clean(name):
            raise refusal(f"the name of column {columns.index(name) + 1} is not UTF-8 text; save the file as UTF-8")


def check_count(rows: Sequence[dict[str, str]]) -> None:
    if len(rows) >= LIMITS.run_rows:
        raise refusal(f"it has more than {LIMITS.run_rows:,} rows, which is the limit")


def check(table: Table) -> None:
    if not table.rows:
        raise refusal("it has no rows")
    for number, row in enumerate(table.rows, start=1):
        for column, cell in row.items():
            place = f"row {number}, column {column[:80]}"
            if len(cell) > LIMITS.run_cell_chars:
                raise refusal(f"{place}: {len(cell):,} characters; {LIMITS.run_cell_chars:,} is the limit")
            if not is_clean(cell):
                raise refusal(f"{place}: this is not UTF-8 text; save the file as UTF-8")


def is_clean(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text))


def csv_line(cells: Sequence[str]) -> str:
    """Every cell in quotes. One that a spreadsheet would run gets an apostrophe in front, unless it is a number."""
    return ",".join('"' + harmless(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"


def harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(cell) else cell


def refusal(reason: str) -> BadRequest:
    return BadRequest(f"The input cannot be used: {reason}.", field="input")
