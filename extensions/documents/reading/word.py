"""Word files (docx): paragraphs under their headings, and tables row by row."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph

from .blocks import Block, Headings
from .tables import described

UNPACKED_BYTES = 300 * 10**6
PARTS = 10_000
# Text shrinks to a tenth, zeros to a thousandth.
RATIO = 200
HEADING = re.compile(r"Heading (\d)$|(Title)$")


def read_docx(path: Path) -> Iterator[Block]:
    """Raises ValueError."""
    check_archive(path)
    try:
        content = list(docx.Document(str(path)).iter_inner_content())
    except (PackageNotFoundError, KeyError, ValueError, SyntaxError) as error:
        raise ValueError("This Word file is damaged.") from error
    headings = Headings()
    for item in content:
        if isinstance(item, Table):
            yield from rows_of(item, str(headings))
        elif level := heading_level(item):
            headings.enter(level, item.text)
        elif text := item.text.strip():
            yield Block(text, heading=str(headings))


def check_archive(path: Path) -> None:
    """A file of a few bytes can unpack to more than the memory holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError("This is no Word file of the kind docx, or it is damaged or encrypted.") from error
    size = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if size > UNPACKED_BYTES or len(parts) > PARTS or size > RATIO * max(packed, 10_000):
        raise ValueError(f"This Word file unpacks to {size // 10**6:,} MB, which looks like an attack; it is not read.")


def heading_level(paragraph: Paragraph) -> int:
    """0 for what is none; the title stands above all."""
    style = paragraph.style
    found = HEADING.match((style.name or "") if style is not None else "")
    if found is None:
        return 0
    return int(found[1]) + 1 if found[1] else 1


def rows_of(table: Table, heading: str) -> Iterator[Block]:
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    names, others = (rows[0], rows[1:]) if len(rows) > 1 else ([], rows)
    for row in others:
        if line := described(names, row):
            yield Block(line, heading=heading)
