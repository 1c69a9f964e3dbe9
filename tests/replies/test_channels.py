"""Reasoning and answer are told apart at every cut."""

import pytest

from modules.replies.pipeline import ReplyPipeline
from modules.types.generation import Event, Finished, ReasoningDelta, TextDelta

CASES = [
    ("<think>\nab\n</think>\n\nHello", "", "ab\n", "Hello"),
    ("  <think>x</think>y</think>", "", "x", "y</think>"),
    ("<thinner> hi", "", "", "<thinner> hi"),
    ("plain <think>no</think>", "", "", "plain <think>no</think>"),
    ("<think>never closed", "", "never closed", ""),
    ("", "", "", ""),
    ("deep</think>\nanswer", "...<think>\n", "deep", "answer"),
    ("<", "", "", "<"),
]


def run(pieces: list[str], prompt: str) -> tuple[str, str]:
    pipeline = ReplyPipeline(prompt=prompt)
    events: list[Event] = [out for piece in pieces for out in pipeline.feed(TextDelta(piece))]
    events += pipeline.feed(Finished("stop"))
    assert isinstance(events[-1], Finished)
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    return reasoning, "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(("text", "prompt", "reasoning", "answer"), CASES)
def test_every_cut(text: str, prompt: str, reasoning: str, answer: str) -> None:
    assert run(list(text), prompt) == (reasoning, answer)
    for place in range(len(text) + 1):
        assert run([text[:place], text[place:]], prompt) == (reasoning, answer)
