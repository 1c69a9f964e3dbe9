"""What a model reads of a document."""

from itertools import pairwise

import pytest

from modules.prompts.document import DocumentContext, fitting_prompt

LINES = "\n".join(f"line {number} of a long tale" for number in range(1000))


def words(prompt: str) -> int:
    return len(prompt.split())


def context(text: str, memory: str = "", note: str = "", depth: int = 3) -> DocumentContext:
    return DocumentContext(memory, text, note, depth)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(1, "a\nb\n\nc\nNOTE\nd"), (2, "a\nb\n\nNOTE\nc\nd"), (3, "a\nNOTE\nb\n\nc\nd"), (9, "NOTE\na\nb\n\nc\nd")],
)
def test_a_note_stands_so_many_lines_with_text_from_the_end(depth: int, expected: str) -> None:
    assert context("a\nb\n\nc\nd", note="NOTE", depth=depth).prompt() == expected


def test_the_line_that_is_begun_counts_as_one() -> None:
    assert context("a\nb\n", note="NOTE", depth=1).prompt() == "a\nb\nNOTE\n"
    assert context("", note="NOTE", depth=2).prompt() == "NOTE\n"


def test_what_fits_is_read_whole_and_counted_once() -> None:
    counted: list[str] = []

    def count(prompt: str) -> int:
        counted.append(prompt)
        return words(prompt)

    assert fitting_prompt(context("one two", "Memory."), count, 1000) == "Memory.\none two"
    assert len(counted) <= 1


@pytest.mark.parametrize("budget", [40, 100, 999, 4000])
def test_a_long_text_loses_its_beginning_line_by_line(budget: int) -> None:
    prompt = fitting_prompt(context(LINES, "Memory.", "NOTE"), words, budget)
    assert budget * 0.6 <= words(prompt) <= budget
    memory, first, *_ = prompt.split("\n")
    assert memory == "Memory."
    assert first.startswith("line ")
    assert prompt.endswith("line 999 of a long tale")
    assert "\nNOTE\nline 997" in prompt


def test_prompts_begin_alike_while_the_text_grows() -> None:
    """So that what was computed of one stays good for the next."""
    beginnings: list[str] = []
    for grown in range(0, 400, 10):
        text = LINES + "\nand on" * grown
        beginnings.append(fitting_prompt(context(text), words, 1200)[:40])
    changes = sum(before != after for before, after in pairwise(beginnings))
    assert 1 <= changes <= 8


def test_a_text_of_one_endless_line_is_cut_within_it() -> None:
    prompt = fitting_prompt(context("word " * 5000), words, 500)
    assert 300 <= words(prompt) <= 500
    assert 240 <= len(fitting_prompt(context("x" * 100_000), len, 500)) <= 500


def test_a_memory_that_takes_all_the_room_leaves_little_of_the_text() -> None:
    prompt = fitting_prompt(context(LINES, "much " * 500), words, 100)
    assert words(prompt) < 560
