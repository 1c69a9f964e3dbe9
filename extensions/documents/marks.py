"""How marks and sources look in a reply, and how they are taken out again before a model reads it."""

import re
from collections.abc import Sequence

from .store import StoredPassage

PASSAGES = "/ext/documents/passages"
NOT_FOUND = " *(not found in your documents)*"
SOURCES = "\n\n---\n**Sources**\n\n"
BY_WORDS_ONLY = "\nFound and checked by words alone; with the embedding model meaning counts too.\n"
MARK = re.compile(rf" \[\[\d+\]\]\({PASSAGES}/\d+\)|{re.escape(NOT_FOUND)}")
# What would end a link early, or begin another.
SPECIAL = re.compile(r"([\\`*_\[\]<>|])")


def supported(number: int, passage: StoredPassage) -> str:
    """What follows a sentence that passage `number` supports."""
    return f" [[{number}]]({PASSAGES}/{passage.id})"


def sources(passages: Sequence[StoredPassage], *, by_words_only: bool) -> str:
    """The end of a reply: each passage that was given, by its number."""
    lines = [
        f"{number}. [{escaped(place_of(passage))}]({PASSAGES}/{passage.id})"
        for number, passage in enumerate(passages, 1)
    ]
    return SOURCES + "\n".join(lines) + "\n" + (BY_WORDS_ONLY if by_words_only else "")


def link(passage: StoredPassage) -> str:
    return f"[{escaped(place_of(passage))}]({PASSAGES}/{passage.id})"


def place_of(passage: StoredPassage) -> str:
    page = f", page {passage.page}" if passage.page is not None else ""
    heading = f", {passage.heading}" if passage.heading else ""
    return f"{passage.document}{page}{heading}"


def escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)


def without_marks(reply: str) -> str:
    return MARK.sub("", reply.partition(SOURCES)[0])
