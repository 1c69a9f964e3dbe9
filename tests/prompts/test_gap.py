"""A text with a gap: what is kept of it when it does not fit."""

import pytest

from modules.prompts.gap import gap_prompt

MARKS = (1, 2, 3)


@pytest.mark.parametrize(
    ("prefix", "suffix", "budget", "kept"),
    [
        ("abc", "xyz", 20, ("abc", "xyz")),
        ("abc", "", 20, ("abc", "")),
        ("", "xyz", 20, ("", "xyz")),
        ("abcdefghij", "xyz", 11, ("defghij"[1:], "xy")),
        ("abcdefghij", "x", 11, ("defghij", "x")),
        ("ab", "qrstuvwxyz", 11, ("ab", "qrstuv")),
        ("abcdefghij", "xyz", 3, ("", "")),
        ("abcdefghij", "xyz", 0, ("", "")),
    ],
)
def test_what_is_nearest_to_the_gap_stays(prefix: str, suffix: str, budget: int, kept: tuple[str, str]) -> None:
    tokens = gap_prompt(MARKS, [ord(one) for one in prefix], [ord(one) for one in suffix], budget)
    assert tokens == (1, *map(ord, kept[0]), 2, *map(ord, kept[1]), 3)
    assert len(tokens) <= max(budget, 3)
