"""Text into passages of about 200 words, and passages into windows of a few sentences whose meaning is compared.

Passages never run across headings and pages; the last sentence is repeated in the next one under that heading.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modules.extensions import Passage

WORDS = 200
# A vector of a whole passage would blur the one sentence that answers; measured by tests/benchmarks/retrieval.
WINDOW = 40
# A sentence longer than this is cut between words: tables and lists without full stops.
LONGEST = 120
# Sentences up to this length are repeated at the beginning of the next passage.
OVERLAP = 30
# Scripts without spaces count characters.
CHARACTERS_PER_WORD = 7
# Ends a sentence too, so rows of a table do not run into each other.
PARAGRAPH = "\n\n"
# Where a sentence may end: behind its mark and closing quotes, before a space and what can begin one.
END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9])|(?<=[。！？])|\n\s*\n")
SHORT = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|e\.g|i\.e|cf|Fig|fig|No|no|pp|Inc|Ltd|Co|approx|ca)\.$"
)


@dataclass(frozen=True)
class Sentence:
    """`begins` says that a paragraph or a table's row begins with it."""

    text: str
    words: int
    begins: bool


def split(blocks: Iterable[Passage], words: int = WORDS) -> Iterator[Passage]:
    """Passages as soon as they are whole. A sentence that runs over two pages stands in the passage of the second."""
    heading, page = "", None
    held: list[Sentence] = []
    is_new = False
    for block in blocks:
        if is_new and (block.heading, block.page) != (heading, page):
            yield passage(held, page, heading)
            is_new = False
        if block.heading != heading:
            held = []
        held = repeated(held) if not is_new else held
        # What begins on a new page goes on from the page before.
        begins = block.page == page
        heading, page = block.heading, block.page
        for sentence in sentences(block, begins=begins):
            if is_new and sum(one.words for one in held) + sentence.words > words:
                yield passage(held, page, heading)
                held = repeated(held)
            held.append(sentence)
            is_new = True
    if is_new:
        yield passage(held, page, heading)


def repeated(held: list[Sentence]) -> list[Sentence]:
    """What the next passage begins with."""
    return held[-1:] if held and held[-1].words <= OVERLAP else []


def windows(text: str, words: int = WINDOW) -> list[str]:
    """Sentences that follow each other, as many as fit. What ends a paragraph without a full stop goes with the next:
    a heading alone has little meaning."""
    found: list[str] = []
    held: list[str] = []
    count = 0
    for sentence in sentence_texts(text.replace(PARAGRAPH, " ")):
        size = length(sentence)
        if held and count + size > words:
            found.append(" ".join(held))
            held, count = [], 0
        held.append(sentence)
        count += size
    return [*found, " ".join(held)] if held else found


def passage(held: list[Sentence], page: int | None, heading: str) -> Passage:
    text = "".join(f"{PARAGRAPH if one.begins else ' '}{one.text}" for one in held)
    return Passage(text.strip(), page, heading)


def sentences(block: Passage, *, begins: bool) -> Iterator[Sentence]:
    for text in sentence_texts(block.text):
        for part in parts(text.split()):
            yield Sentence(part, length(part), begins)
            begins = False


def sentence_texts(text: str) -> Iterator[str]:
    """Sentences in order, with single spaces; a stop behind an abbreviation or an initial ends none."""
    start = 0
    for found in END.finditer(text):
        piece = text[start : found.start()]
        if SHORT.search(piece[-12:]) and "\n\n" not in found[0]:
            continue
        if piece := " ".join(text[start : found.end()].split()):
            yield piece
        start = found.end()
    if rest := " ".join(text[start:].split()):
        yield rest


def end_of_sentence(text: str) -> int | None:
    """Where the first sentence of a text ends that may go on, before the space behind it; lines end sentences too."""
    line = text.find("\n", len(text) - len(text.lstrip()))
    for found in END.finditer(text, 0, len(text) if line < 0 else line):
        start = len(text[: found.end()].rstrip())
        if start and not SHORT.search(text[: found.start()][-12:]):
            return start
    return len(text[:line].rstrip()) if line >= 0 else None


def parts(words: list[str]) -> Iterator[str]:
    for start in range(0, len(words), LONGEST):
        text = " ".join(words[start : start + LONGEST])
        size = LONGEST * CHARACTERS_PER_WORD
        for place in range(0, len(text), size):
            yield text[place : place + size].strip()


def length(text: str) -> int:
    return max(len(text.split()), len(text) // CHARACTERS_PER_WORD)
