"""From an engine's events to a reader's: reasoning and calls of tools are told apart from the answer."""

from dataclasses import replace

from modules.replies.channels import ReasoningSplitter
from modules.replies.tool_calls import CallSplitter
from modules.types.call_formats import CallFormat
from modules.types.generation import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
)
from modules.types.tools import ToolCall, new_call_id


class ReplyPipeline:
    """One per generation. `feed` returns what the reader sees; text is never lost at the end."""

    def __init__(self, *, prompt: str = "", splits_reasoning: bool = True, calls: CallFormat | None = None) -> None:
        """Calls are looked for where their form is given."""
        self._splits_reasoning = splits_reasoning
        self._reasoning = ReasoningSplitter(inside=prompt.rstrip().endswith("<think>"))
        self._calls = CallSplitter(calls) if calls is not None else None

    def feed(self, event: Event) -> list[Event]:
        match event:
            case TextDelta() if self._splits_reasoning:
                reasoning, answer = self._reasoning.feed(event.text)
                return self._parted(reasoning, answer, event)
            case ToolCall():
                return [event if event.id else replace(event, id=new_call_id())]
            case Finished() | Failed():
                return [*self._flushed(), self._ending(event)]
            case _:
                return [event]

    def _parted(self, reasoning: str, answer: str, source: TextDelta) -> list[Event]:
        events: list[Event] = [ReasoningDelta(reasoning)] if reasoning else []
        parts = [answer] if self._calls is None else self._calls.feed(answer)
        events += [TextDelta(part) if isinstance(part, str) else part for part in parts if part]
        if not source.logprobs:
            return events
        # Log-probabilities go with the first text there is, or alone.
        for place, event in enumerate(events):
            if isinstance(event, TextDelta):
                events[place] = TextDelta(event.text, source.logprobs)
                return events
        return [*events, TextDelta("", source.logprobs)]

    def _flushed(self) -> list[Event]:
        reasoning, answer = self._reasoning.flush()
        events = self._parted(reasoning, answer, TextDelta(""))
        return events if self._calls is None else [*events, *(TextDelta(part) for part in self._calls.flush())]

    def _ending(self, end: Finished | Failed) -> Finished | Failed:
        has_called = self._calls is not None and self._calls.has_calls
        if isinstance(end, Finished) and end.reason == "stop" and has_called:
            return replace(end, reason="tool_calls")
        return end
