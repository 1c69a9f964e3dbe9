"""Rows of a file, or of every file of a known ending in a folder."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.tables import files_below
from modules.training.datasets.delimited import read_delimited
from modules.training.datasets.documents import read_document
from modules.training.datasets.json_files import read_json, read_json_lines
from modules.training.datasets.parquet import read_parquet
from modules.training.datasets.rows import Row, Rows
from modules.types.datasets import DATASET_ENDINGS, RowProblem

READERS: Mapping[str, Callable[[Path, str], Rows]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".parquet": read_parquet,
    ".txt": read_document,
    ".md": read_document,
    ".markdown": read_document,
}
TEXTS = (".txt", ".md", ".markdown")
# What the datasets library and the hub keep beside the rows.
NO_ROWS = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})


def read_rows(place: Path) -> Rows:
    """Raises BadRequest when there is nothing to read, or more than the limits allow."""
    number = 0
    for path, name in files_of(place):
        for row in rows_of(path, name):
            number += 1
            if number > LIMITS.dataset_rows:
                raise BadRequest(f"It has more than {LIMITS.dataset_rows:,} rows, which is the limit.")
            yield row


def files_of(place: Path) -> list[tuple[Path, str]]:
    """Files with the names by which they are told, in their order.

    Texts beside tables are about these, as a README is, and are left out.
    """
    if not place.is_dir():
        if place.suffix.lower() not in READERS or not place.is_file():
            raise BadRequest(f"This is no file with samples; its name must end in {', '.join(DATASET_ENDINGS)}.")
        return [(place, place.name)]
    try:
        found = list(islice(known_files(place), LIMITS.dataset_files + 1))
    except RecursionError as error:
        raise BadRequest("Its folders are nested too deep.") from error
    if len(found) > LIMITS.dataset_files:
        raise BadRequest(f"The folder has more than {LIMITS.dataset_files:,} files, which is the limit; join some.")
    if not found:
        raise BadRequest(f"The folder has no file whose name ends in {', '.join(DATASET_ENDINGS)}.")
    tables = [path for path in found if path.suffix.lower() not in TEXTS]
    return [(path, path.relative_to(place).as_posix()) for path in tables or found]


def known_files(folder: Path) -> Iterator[Path]:
    for path in files_below(folder, ("*",)):
        if path.suffix.lower() in READERS and path.name not in NO_ROWS:
            yield path


def rows_of(path: Path, name: str) -> Rows:
    """A file that cannot be read, or no further, ends with a problem; other files do not suffer."""
    reached = 0
    try:
        for row in READERS[path.suffix.lower()](path, name):
            reached = row.number if isinstance(row, Row) else row.row
            yield row
    except BadRequest as error:
        yield RowProblem(reached + 1 if reached else 0, "", str(error), name)
    except OSError as error:
        yield RowProblem(0, "", f"The file cannot be read: {error.strerror or error}.", name)
