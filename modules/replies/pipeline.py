"""From an engine's events to a reader's: reasoning is told apart from the answer."""

from modules.replies.channels import ReasoningSplitter
from modules.types.generation import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
)


class ReplyPipeline:
    """One per generation. `feed` returns what the reader sees; text is never lost at the end."""

    def __init__(self, *, prompt: str = "", splits_reasoning: bool = True) -> None:
        self._splits_reasoning = splits_reasoning
        self._splitter = ReasoningSplitter(inside=prompt.rstrip().endswith("<think>"))

    def feed(self, event: Event) -> list[Event]:
        match event:
            case TextDelta() if self._splits_reasoning:
                reasoning, answer = self._splitter.feed(event.text)
                return split_delta(reasoning, answer, event)
            case Finished() | Failed():
                reasoning, answer = self._splitter.flush()
                return [*split_delta(reasoning, answer, TextDelta("")), event]
            case _:
                return [event]


def split_delta(reasoning: str, answer: str, source: TextDelta) -> list[Event]:
    events: list[Event] = []
    if reasoning:
        events.append(ReasoningDelta(reasoning))
    if answer or source.logprobs:
        events.append(TextDelta(answer, source.logprobs))
    return events
