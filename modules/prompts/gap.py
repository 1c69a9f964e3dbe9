"""A text with a gap as the tokens of a prompt, for models that fill in the middle."""

from collections.abc import Sequence

from modules.types.generation import FillTokens

MARKS = 3
# The share of the room that what stands after the gap may take from what stands before it.
SUFFIX_SHARE = 4


def gap_prompt(marks: FillTokens, prefix: Sequence[int], suffix: Sequence[int], budget: int) -> tuple[int, ...]:
    """At most `budget` tokens, marks included: what is nearest to the gap on both sides."""
    room = max(0, budget - MARKS)
    after = suffix[: suffix_room(len(prefix), len(suffix), room)]
    before = prefix[max(0, len(prefix) - (room - len(after))) :]
    return (marks[0], *before, marks[1], *after, marks[2])


def suffix_room(prefix: int, suffix: int, room: int) -> int:
    """All that the prefix leaves, and a share of the room in any case."""
    return min(suffix, max(room // SUFFIX_SHARE, room - prefix))
