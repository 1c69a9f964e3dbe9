"""From an engine's events to a reader's: reasoning and calls of tools are told apart from the answer."""

from collections.abc import Sequence
from dataclasses import replace

from modules.replies.channels import ReasoningSplitter
from modules.replies.tool_calls import CallSplitter
from modules.types.call_formats import CallFormat
from modules.types.generation import (
    Event,
    Failed,
    Finished,
    Note,
    ReasoningDelta,
    TextDelta,
)
from modules.types.tools import ToolCall, new_call_id

CUT_CALL = Note("A call of a tool was cut off and left out.")


class ReplyPipeline:
    """One per generation. `feed` returns what the reader sees; no text is lost at the end but of half a call."""

    def __init__(
        self,
        *,
        prompt: str = "",
        splits_reasoning: bool = True,
        calls: CallFormat | None = None,
        calls_are_held: bool = False,
    ) -> None:
        """Calls are looked for where their form is given; they are held where a grammar lets through no others."""
        self._splits_reasoning = splits_reasoning
        self._reasoning = ReasoningSplitter(inside=prompt.rstrip().endswith("<think>"))
        self._calls = CallSplitter(calls, are_held=calls_are_held) if calls is not None else None

    def feed(self, event: Event) -> list[Event]:
        match event:
            case TextDelta() if self._splits_reasoning:
                reasoning, answer = self._reasoning.feed(event.text)
                return self._parted(reasoning, answer, event)
            case ToolCall():
                return [event if event.id else replace(event, id=new_call_id())]
            case Finished() | Failed():
                return [*self._flushed(event), self._ending(event)]
            case _:
                return [event]

    def _parted(self, reasoning: str, answer: str, source: TextDelta) -> list[Event]:
        events: list[Event] = [ReasoningDelta(reasoning)] if reasoning else []
        events += events_of([answer] if self._calls is None else self._calls.feed(answer))
        if not source.logprobs:
            return events
        # Log-probabilities go with the first text there is, or alone.
        for place, event in enumerate(events):
            if isinstance(event, TextDelta):
                events[place] = TextDelta(event.text, source.logprobs)
                return events
        return [*events, TextDelta("", source.logprobs)]

    def _flushed(self, end: Finished | Failed) -> list[Event]:
        reasoning, answer = self._reasoning.flush()
        events = self._parted(reasoning, answer, TextDelta(""))
        if self._calls is None:
            return events
        is_cut = isinstance(end, Failed) or end.reason != "stop"
        return [*events, *events_of(self._calls.flush(is_cut=is_cut))]

    def _ending(self, end: Finished | Failed) -> Finished | Failed:
        if isinstance(end, Failed) or self._calls is None:
            return end
        if self._calls.has_cut_call:
            end = replace(end, notes=(*end.notes, CUT_CALL))
        return replace(end, reason="tool_calls") if end.reason == "stop" and self._calls.has_calls else end


def events_of(parts: Sequence[str | ToolCall]) -> list[Event]:
    return [TextDelta(part) if isinstance(part, str) else part for part in parts if part]
