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
    return f" {link(passage, f'[{number}]')}"


def sources(passages: Sequence[StoredPassage], cited: Collection[int], *, by_words_only: bool) -> str:
    """The end of a reply: the passages that support a sentence, by their numbers; then those that were only read."""
    used: list[str] = []
    unused: dict[str, list[str]] = {}
    for number, passage in enumerate(passages, 1):
        if number in cited:
            used.append(link(passage, f"[{number}] {escaped(place_of(passage))}"))
        else:
            unused.setdefault(escaped(passage.document), []).append(link(passage, f"[{number}]"))
    read = "Also read" if used else "Read, though no sentence above rests on it"
    by_document = ", ".join(" ".join([document, *links]) for document, links in unused.items())
    parts = ["  \n".join(used), f"{read}: {by_document}" if unused else "", BY_WORDS_ONLY if by_words_only else ""]
    return SOURCES + "\n\n".join(part for part in parts if part) + "\n"


def link(passage: StoredPassage, words: str) -> str:
    """`words` are Markdown."""
    return f"[{words}]({PASSAGES}/{passage.id})"


def place_of(passage: StoredPassage) -> str:
    page = f", page {passage.page}" if passage.page is not None else ""
    heading = f", {passage.heading}" if passage.heading else ""
    return f"{passage.document}{page}{heading}"


def escaped(text: str) -> str:
    return SPECIAL.sub(lambda found: BRACKETS.get(found[0], f"\\{found[0]}"), text)


def without_marks(reply: str) -> str:
    return MARK.sub("", reply.partition(SOURCES)[0])
