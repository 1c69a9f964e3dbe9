"""The oldest turns go first; the system prompt and the last message never."""

from collections.abc import Sequence

import pytest

from modules.errors import ContextOverflow
from modules.prompts.window import fit
from modules.types.messages import Message


def count(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


def conversation(turns: int, size: int = 10) -> list[Message]:
    messages = [Message("system", "s" * size)]
    for place in range(turns):
        messages += [Message("user", chr(97 + place % 26) * size), Message("assistant", "A" * size)]
    return [*messages, Message("user", "z" * size)]


def test_all_fit() -> None:
    assert fit(conversation(3), count, budget_tokens=1000, context_length=2000) == (conversation(3), 0)


@pytest.mark.parametrize("turns", [5, 50, 1000])
def test_oldest_go(turns: int) -> None:
    calls = 0

    def counted(messages: Sequence[Message]) -> int:
        nonlocal calls
        calls += 1
        return count(messages)

    messages = conversation(turns)
    kept, dropped = fit(messages, counted, budget_tokens=100, context_length=200)
    assert count(kept) <= 100
    assert kept[0] == messages[0]
    assert kept[1].role == "user"
    assert kept[-1] == messages[-1]
    assert len(kept) + dropped == len(messages)
    assert calls < 16


def test_the_cut_stays_while_the_conversation_grows() -> None:
    """Else every turn would begin anew and nothing cached could be used again."""
    messages = conversation(20)
    starts: set[str] = set()
    for extra in range(3):
        kept, _ = fit([*messages[: len(messages) - 4 + extra]], count, budget_tokens=150, context_length=200)
        starts.add(kept[1].content)
    assert len(starts) <= 2


def test_last_message_alone_is_too_long() -> None:
    with pytest.raises(ContextOverflow) as caught:
        fit([Message("user", "x" * 500)], count, budget_tokens=100, context_length=200)
    assert caught.value.prompt_tokens == 500


def test_a_long_last_message_may_take_the_replys_share() -> None:
    messages = [*conversation(3)[:-1], Message("user", "x" * 150)]
    kept, dropped = fit(messages, count, budget_tokens=100, context_length=200)
    assert (kept, dropped) == ([messages[0], messages[-1]], 6)


def test_the_error_names_the_models_context() -> None:
    with pytest.raises(ContextOverflow, match="context holds 200"):
        fit([Message("user", "x" * 200)], count, budget_tokens=100, context_length=200)
