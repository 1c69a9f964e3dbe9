"""Calls apart from the answer: `<tool_call> {"name": ..., "arguments": ...} </tool_call>` anywhere in a reply."""

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from modules.replies.stops import overlap
from modules.types.tools import CALL_CLOSING, CALL_OPENING, ToolCall, new_call_id


class WrittenCall(BaseModel):
    name: str
    arguments: dict[str, Any]


class CallSplitter:
    """Cuts a stream into text and calls, in their order. Blanks around a call belong to neither.

    What begins like a call and never becomes one is text: nothing that a model wrote is lost.
    """

    def __init__(self) -> None:
        self._held: str = ""
        self._inside: bool = False
        self._after_call: bool = False
        self.has_calls = False

    def feed(self, text: str) -> list[str | ToolCall]:
        """The parts that are certain now."""
        self._held += text
        parts: list[str | ToolCall] = []
        while part := self._next():
            parts.append(part)
        return parts

    def flush(self) -> list[str]:
        """What was held back, now that no more text comes."""
        held = (CALL_OPENING if self._inside else "") + self._held
        self._held = ""
        return [held] if held.strip() or (held and not self._after_call) else []

    def _next(self) -> str | ToolCall | None:
        if self._inside:
            return self._call()
        if self._after_call:
            self._held = self._held.lstrip()
        place = self._held.find(CALL_OPENING)
        if place >= 0:
            text, self._held = self._held[:place].rstrip(), self._held[place + len(CALL_OPENING) :]
            self._inside = True
            return text or self._call()
        certain = self._held[: len(self._held) - overlap(self._held, CALL_OPENING)].rstrip()
        self._held = self._held[len(certain) :]
        self._after_call = self._after_call and not certain
        return certain or None

    def _call(self) -> ToolCall | None:
        """Arguments may hold the closing tag too, so each place is tried."""
        place = self._held.find(CALL_CLOSING)
        while place >= 0:
            if call := call_of(self._held[:place]):
                self._held = self._held[place + len(CALL_CLOSING) :]
                self._inside, self._after_call, self.has_calls = False, True, True
                return call
            place = self._held.find(CALL_CLOSING, place + 1)
        return None


def call_of(text: str) -> ToolCall | None:
    """None of a text that is no call."""
    try:
        written = WrittenCall.model_validate_json(text)
    except ValidationError:
        return None
    return ToolCall(written.name, json.dumps(written.arguments, ensure_ascii=False), new_call_id())
