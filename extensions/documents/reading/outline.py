"""The outline of a PDF, which viewers show beside its pages: the headings that begin on each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pypdf import PdfReader
from pypdf.generic import Destination

from .blocks import Headings

TITLE_CHARACTERS = 300
# What stands before a title on its line: "Chapter 12."
BEFORE = 16


@dataclass(frozen=True)
class Title:
    """`level` counts from 1, for the outermost."""

    level: int
    text: str


def titles_of(reader: PdfReader) -> Mapping[int, Sequence[Title]]:
    """Of each page, counted from 1, in order; nothing where there is no outline, or a broken one."""
    found: dict[int, list[Title]] = {}
    try:
        for title, destination in titles(reader.outline, 1):
            page = reader.get_destination_page_number(destination)
            if page is not None and title.text:
                found.setdefault(page + 1, []).append(title)
    except Exception:  # noqa: BLE001 - what a broken outline raises has no common name, and the text is there without it
        return {}
    return found


def titles(entries: Sequence[Any], level: int) -> Iterator[tuple[Title, Destination]]:
    """A list within the list holds what lies below the entry before it."""
    for entry in entries:
        if isinstance(entry, Destination):
            yield Title(level, " ".join(str(entry.title or "").split())[:TITLE_CHARACTERS]), entry
        else:
            yield from titles(entry, level + 1)


def parted(text: str, begun: Sequence[Title], headings: Headings) -> Iterator[tuple[str, str]]:
    """A page's text before and from each heading on, with the headings above it; one that is no line of the page
    holds from where the one before it began."""
    start = 0
    for title in begun:
        if line := line_of(title.text).search(text, start):
            yield text[start : line.start()], str(headings)
            start = line.start()
        headings.enter(title.level, title.text)
    yield text[start:], str(headings)


def line_of(title: str) -> re.Pattern[str]:
    """Behind the number of the chapter, which outlines often leave out, and broken over several lines."""
    words = r"\s+".join(re.escape(word) for word in title.split())
    return re.compile(rf"^(?:.{{0,{BEFORE}}}[^\w\n])?{words}[^\w\n]*$", re.IGNORECASE | re.MULTILINE)
