"""Text and Markdown files."""

import re
from collections.abc import Iterator
from pathlib import Path

from .blocks import Block, Headings

# A byte order mark says which; without one the first that fits is taken, and the last fits anything.
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
BINARY = b"\x00"
LOOKED_AT = 4096
HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
FENCE = re.compile(r"(```|~~~)")


def text_of(path: Path) -> str:
    """Raises ValueError for a file that is no text."""
    content = path.read_bytes()
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if BINARY in content[:LOOKED_AT]:
        raise ValueError("This is no text file.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_text(path: Path) -> Iterator[Block]:
    for paragraph in paragraphs(text_of(path)):
        yield Block(paragraph)


def read_markdown(path: Path) -> Iterator[Block]:
    headings = Headings()
    lines: list[str] = []
    in_code = False
    for line in text_of(path).splitlines():
        if FENCE.match(line.lstrip()):
            in_code = not in_code
        found = None if in_code else HEADING.match(line)
        if found is None:
            lines.append(line)
            continue
        yield from blocks(lines, str(headings))
        lines = []
        headings.enter(len(found[1]), found[2])
    yield from blocks(lines, str(headings))


def blocks(lines: list[str], heading: str) -> Iterator[Block]:
    for paragraph in paragraphs("\n".join(lines)):
        yield Block(paragraph, heading=heading)


def paragraphs(text: str) -> Iterator[str]:
    """What empty lines part."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
