"""Stop strings never leak, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.replies.stops import StopMatcher


def run(stops: tuple[str, ...], pieces: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    text = "".join(matcher.feed(piece) for piece in pieces)
    return text + ("" if matcher.matched else matcher.flush()), matcher.matched


@pytest.mark.parametrize(
    ("text", "stops", "expected", "matched"),
    [
        ("Hello world", (), "Hello world", False),
        ("Hello world", ("wor",), "Hello ", True),
        ("Hello wo", ("wor",), "Hello wo", False),
        ("aaab", ("aab",), "a", True),
        ("one END two", ("two", "END"), "one ", True),
        ("x\n\nUser: y", ("\nUser:", "\n\n"), "x", True),
        ("naïve 🙂 stop", ("🙂",), "naïve ", True),
    ],
)
def test_every_cut_gives_the_same(text: str, stops: tuple[str, ...], expected: str, matched: bool) -> None:
    assert run(stops, list(text)) == (expected, matched)
    for place in range(len(text) + 1):
        assert run(stops, [text[:place], text[place:]]) == (expected, matched)


@given(
    st.lists(st.text("ab\n", max_size=4), max_size=12), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)
)
def test_cut_like_the_whole(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    places = [whole.find(stop) for stop in stops if stop in whole]
    expected = whole[: min(places)] if places else whole
    text, matched = run(tuple(stops), pieces)
    assert matched == bool(places)
    # A longer stop string that begins earlier may still be incomplete when a shorter one inside it is complete.
    assert text == expected or ((matched and expected.startswith(text)) or text.startswith(expected))
