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
# Of Markdown, beneath a paragraph of one line; how deep each is.
UNDERLINES = {"=": 1, "-": 2}
# At the beginning of a paragraph of text: one line over a line of one mark, or between two such lines.
UNDERLINED = re.compile(r"(?:([^\w\s])\1{2,}\n)?(?P<title>\S[^\n]*)\n(?P<line>(?P<mark>[^\w\s])(?P=mark){2,})(?:\n|$)")


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
    """Lines that are underlined, as in reStructuredText, are headings; a mark that comes later lies deeper."""
    headings, marks = Headings(), list[str]()
    for paragraph in paragraphs(text_of(path)):
        text = paragraph
        if (found := UNDERLINED.match(paragraph)) and len(found["line"]) >= len(found["title"]):
            marks += [found["mark"]] if found["mark"] not in marks else []
            headings.enter(marks.index(found["mark"]), found["title"])
            text = paragraph[found.end() :]
        if text:
            yield Block(text, heading=str(headings))


def read_markdown(path: Path) -> Iterator[Block]:
    headings = Headings()
    lines: list[str] = []
    in_code = False
    for line in text_of(path).splitlines():
        if FENCE.match(line.lstrip()):
            in_code = not in_code
        found = None if in_code else HEADING.match(line)
        if found is not None:
            level, title = len(found[1]), found[2]
        elif not in_code and is_underline(line, lines):
            level, title = UNDERLINES[line[0]], lines.pop()
        else:
            lines.append(line)
            continue
        yield from blocks(lines, str(headings))
        lines = []
        headings.enter(level, title)
    yield from blocks(lines, str(headings))


def is_underline(line: str, before: list[str]) -> bool:
    """Of the one line before it, which would be a paragraph otherwise."""
    is_one_mark = line[:1] in UNDERLINES and len(line.rstrip()) >= 2 and not line.rstrip().strip(line[0])
    return is_one_mark and bool(before) and bool(before[-1].strip()) and not "".join(before[-2:-1]).strip()


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
