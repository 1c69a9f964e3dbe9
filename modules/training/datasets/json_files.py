"""JSON lines, and JSON files that hold a list of objects; one object at a time is in memory."""

import codecs
import json
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.rows import Row, Rows
from modules.training.datasets.utf8 import NOT_UTF8, open_utf8
from modules.types.datasets import RowProblem

CHUNK_BYTES = 1024 * 1024
SPACE = re.compile(r"[ \t\r\n]*")
TOO_LONG = f"The row is longer than {LIMITS.dataset_row_bytes // 2**20} MiB, which is the limit."
# Names under which an object holds all rows.
WRAPPERS = ("data", "train", "rows", "examples", "samples")
NO_REST = "The rest of the file cannot be read."


class JsonParser:
    """One value at a time. Names that an object holds twice are told, for JSON leaves open which one counts."""

    def __init__(self) -> None:
        self._twice = ""
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def parse(self, text: str, place: int = 0) -> tuple[Any, int, str]:
        """(the value at `place`, where it ends, a name that stands twice). Raises ValueError or RecursionError."""
        self._twice = ""
        value, end = self._decoder.raw_decode(text, place)
        return value, end, self._twice

    def _object(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            self._twice = next(name for name in names if names.count(name) > 1)
        return made


def read_json_lines(path: Path, file: str) -> Rows:
    """An object a line; empty lines are passed over. A broken line does not spoil the others."""
    parser = JsonParser()
    with open_utf8(path) as opened:
        for number in count(1):
            line = opened.readline(LIMITS.dataset_row_bytes + 1)
            if not line:
                return
            if len(line) > LIMITS.dataset_row_bytes:
                skip_line(opened)
                yield RowProblem(number, "", TOO_LONG, file)
            elif line.strip():
                yield line_row(parser, line, number, file)


def line_row(parser: JsonParser, line: bytes, number: int, file: str) -> Row | RowProblem:
    try:
        text = line.decode().strip()
        value, end, twice = parser.parse(text)
    except UnicodeDecodeError:
        return RowProblem(number, "", NOT_UTF8, file)
    except (ValueError, RecursionError) as error:
        return RowProblem(number, "", f"This line is no JSON: {reason(error)}.", file)
    if end < len(text):
        return RowProblem(number, "", "Behind the JSON in this line stands something more; write a line each.", file)
    return read_row(value, twice, number, file)


def read_json(path: Path, file: str) -> Rows:
    """A list of objects, or objects one after the other, or one object with such a list."""
    with open_utf8(path) as opened:
        text = JsonText(opened)
        is_list = text.next_character() == "["
        if is_list:
            text.skip()
        for number in count(1):
            character = text.next_character()
            if not character or (is_list and character == "]"):
                break
            value, twice = text.value()
            if number == 1 and not is_list and (rows := wrapped(value)) is not None and not text.next_character():
                yield from (read_row(row, "", place, file) for place, row in enumerate(rows, start=1))
                return
            yield read_row(value, twice, number, file)
            if is_list and text.next_character() == ",":
                text.skip()
            elif is_list and text.next_character() != "]":
                raise BadRequest(f"Between two objects a comma is missing, or the list does not end. {NO_REST}")
        if is_list:
            if text.next_character() != "]":
                raise BadRequest("The list does not end; the file seems to be cut off.")
            text.skip()
            if text.next_character():
                raise BadRequest("Behind the list stands something more, which was not read.")


class JsonText:
    """A JSON file from its beginning to its end, read as far as it is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parser = JsonParser()
        self._text = ""
        self._place = 0

    def next_character(self) -> str:
        """The next one that is no white space, which is not taken; empty at the end."""
        while True:
            space = SPACE.match(self._text, self._place)
            self._place = space.end() if space else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read_on():
                return ""

    def skip(self) -> None:
        self._place += 1

    def value(self) -> tuple[Any, str]:
        """The value that begins here, and a name that stands twice in it. Raises BadRequest."""
        while True:
            try:
                value, end, twice = self._parser.parse(self._text, self._place)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._place > LIMITS.dataset_row_bytes:
                    raise BadRequest(f"{TOO_LONG} Or it is no JSON: {reason(error)}. {NO_REST}") from error
                if isinstance(error, RecursionError) or not self._read_on():
                    raise BadRequest(f"This is no JSON: {reason(error)}. {NO_REST}") from error
            else:
                if end - self._place > LIMITS.dataset_row_bytes:
                    raise BadRequest(f"{TOO_LONG} {NO_REST}")
                self._place = end
                return value, twice

    def _read_on(self) -> bool:
        """As much again as there is, so that a long value is not parsed too often; False at the end."""
        chunk = self._file.read(max(CHUNK_BYTES, len(self._text) - self._place))
        try:
            more = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise BadRequest(NOT_UTF8) from error
        self._text = self._text[self._place :] + more
        self._place = 0
        return bool(chunk)


def read_row(value: Any, twice: str, number: int, file: str) -> Row | RowProblem:
    """Instead of an object, a list is taken for a chat's messages, and text for a text."""
    if twice:
        return RowProblem(number, f"column {twice[:200]}", "This name stands twice in one object.", file)
    match value:
        case dict():
            return Row(number, cast("dict[str, Any]", value), file)
        case list():
            return Row(number, {"messages": value}, file)
        case str():
            return Row(number, {"text": value}, file)
        case _:
            reason = "This is no JSON object, in curly brackets, with a name for each value."
            return RowProblem(number, "", reason, file)


def wrapped(value: Any) -> list[Any] | None:
    """The only list of an object that holds all rows; None for an object that is a row."""
    if not isinstance(value, dict):
        return None
    cells = cast("dict[str, Any]", value)
    lists = [name for name, cell in cells.items() if isinstance(cell, list)]
    return cells[lists[0]] if len(lists) == 1 and lists[0] in WRAPPERS else None


def skip_line(file: BinaryIO) -> None:
    while (part := file.readline(CHUNK_BYTES)) and not part.endswith(b"\n"):
        pass


def reason(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
