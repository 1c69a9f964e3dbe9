"""How marks and sources look in a reply, and how they are taken out again before a model reads it."""

import re
from collections.abc import Collection, Sequence

from .store import StoredPassage

PASSAGES = "/ext/documents/passages"
NOT_FOUND = " *(not found in your documents)*"
SOURCES = "\n\n---\n**Sources**\n\n"
BY_WORDS_ONLY = "Found and checked by words alone; with the embedding model meaning counts too."
MARK = re.compile(rf" \[\[\d+\]\]\({PASSAGES}/\d+\)|{re.escape(NOT_FOUND)}")
# What Markdown would take for more than text. A backslash before a bracket would begin a formula.
SPECIAL = re.compile(r"[\\`*_\[\]<>|$&~]")
BRACKETS = {"[": "&#91;", "]": "&#93;"}


def supported(number: int, passage: StoredPassage) -> str:
    """What follows a sentence that passage `number` supports."""
    return f" [[{number}]]({PASSAGES}/{passage.id})"


def sources(passages: Sequence[StoredPassage], cited: Collection[int], *, by_words_only: bool) -> str:
    """The end of a reply: the passages that support a sentence, by their numbers; then those that were only read."""
    lines = {number: link(passage, f"[{number}] ") for number, passage in enumerate(passages, 1)}
    used = [line for number, line in lines.items() if number in cited]
    unused = ", ".join(line for number, line in lines.items() if number not in cited)
    read = "Also read" if used else "Read, though no sentence above rests on it"
    parts = ["  \n".join(used), f"{read}: {unused}" if unused else "", BY_WORDS_ONLY if by_words_only else ""]
    return SOURCES + "\n\n".join(part for part in parts if part) + "\n"


def link(passage: StoredPassage, before: str = "") -> str:
    """`before` is Markdown within the link."""
    return f"[{before}{escaped(place_of(passage))}]({PASSAGES}/{passage.id})"


def place_of(passage: StoredPassage) -> str:
    page = f", page {passage.page}" if passage.page is not None else ""
    heading = f", {passage.heading}" if passage.heading else ""
    return f"{passage.document}{page}{heading}"


def escaped(text: str) -> str:
    return SPECIAL.sub(lambda found: BRACKETS.get(found[0], f"\\{found[0]}"), text)


def without_marks(reply: str) -> str:
    return MARK.sub("", reply.partition(SOURCES)[0])
