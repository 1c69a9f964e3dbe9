"""Calls apart from the answer, in the form that the model's family writes."""

import json
import re
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from modules.replies.stops import overlap
from modules.types.call_formats import CallFormat
from modules.types.tools import ToolCall, new_call_id

# The beginning of a call without an opening; more spaces than this no model writes.
CALL_START = re.compile(r'\{\s*"name"\s*:')
START_CHARS = 16
# What families write between calls, beside spaces.
SEPARATORS = "; \n\r\t"


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


# Line breaks within texts are forgiven.
DECODER = json.JSONDecoder(strict=False, parse_constant=refuse)


class WrittenCall(BaseModel):
    name: str
    arguments: dict[str, Any]


class CallSplitter:
    """Cuts a stream into text and calls, in their order. Blanks around a call belong to neither.

    What begins like a call and never becomes one is text: nothing that a model wrote is lost. Where the calls are held
    to a grammar it is a call that was cut off, and left out: half of one is neither a call nor an answer.
    """

    def __init__(self, form: CallFormat, *, are_held: bool = False) -> None:
        self._form = form
        self._are_held = are_held
        self._held: str = ""
        self._opened: str | None = None
        self._at_start: bool = form.opens_reply
        self._after_call: bool = False
        self._calls: list[ToolCall] = []
        self.has_calls = False
        self.has_cut_call = False

    def feed(self, text: str) -> list[str | ToolCall]:
        """The parts that are certain now."""
        self._held += text
        parts: list[str | ToolCall] = []
        while part := self._next():
            parts.append(part)
        return parts

    def flush(self, *, is_cut: bool = False) -> list[str | ToolCall]:
        """What was held back, now that no more text comes; `is_cut` where the model had not come to an end."""
        opened, held = self._opened, self._held
        self._opened, self._held = None, ""
        # JSON without an opening that came to its end was an answer.
        if self._are_held and (opened or (is_cut and opened is not None)):
            calls, rest = whole_calls(held)
            self.has_calls = self.has_calls or bool(calls)
            self.has_cut_call = bool(rest) or not calls
            return [*calls]
        if self._are_held and is_cut and self._may_open(held.strip()):
            return []
        text = (opened or "") + held
        return [text] if text.strip() or (text and not self._after_call) else []

    def _may_open(self, text: str) -> bool:
        """Whether it may be where an opening begins."""
        is_start = self._at_start and '{"name":'.startswith("".join(text.split()))
        return bool(text) and (is_start or self._form.opening.startswith(text))

    def _next(self) -> str | ToolCall | None:
        if self._calls:
            return self._calls.pop(0)
        if self._opened is not None:
            return self._call()
        if self._after_call:
            self._held = self._held.lstrip(SEPARATORS if self._at_start else None)
        if self._at_start and (is_open := self._opens_reply()) is not False:
            return self._call() if is_open else None
        place = self._held.find(self._form.opening)
        if place >= 0:
            text, self._held = self._held[:place].rstrip(), self._held[place + len(self._form.opening) :]
            self._opened = self._form.opening
            return text or self._call()
        certain = self._held[: len(self._held) - overlap(self._held, self._form.opening)].rstrip()
        self._held = self._held[len(certain) :]
        self._after_call = self._after_call and not certain
        return certain or None

    def _opens_reply(self) -> bool | None:
        """Whether the reply begins with a call that has no opening; None while that is open."""
        beginning = self._held.lstrip()
        if CALL_START.match(beginning):
            self._opened, self._at_start = "", False
            return True
        if not beginning or (beginning.startswith("{") and len(beginning) < START_CHARS):
            return None
        self._at_start = False
        return False

    def _call(self) -> ToolCall | None:
        """The first of those that are written by now."""
        read = read_calls(self._held, self._form)
        if read is None:
            return None
        self._calls, end = read
        self._held = self._held[end:]
        self._opened, self._after_call, self.has_calls = None, True, True
        self._at_start = self._form.opens_reply
        return self._calls.pop(0)


def read_calls(text: str, form: CallFormat) -> tuple[list[ToolCall], int] | None:
    """(calls, where they end in `text`), which begins behind the opening; None where there is no whole call."""
    name, begin = "", 0
    if form.before_arguments:
        name, _, arguments = text.partition(form.before_arguments)
        begin = len(text) - len(arguments)
        name = name.partition("[CALL_ID]")[0].strip()
    begin += len(text[begin:]) - len(text[begin:].lstrip())
    # An object or a list ends with a bracket; before there is one, nothing need be tried.
    if text.find("}", begin) < 0:
        return None
    try:
        value, end = DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    after = text[end:].lstrip()
    if not after.startswith(form.ending):
        return None
    calls = [call_of({"name": name, "arguments": value})] if form.before_arguments else calls_of(value)
    whole = [call for call in calls if call is not None]
    if not whole or len(whole) < len(calls):
        return None
    return whole, len(text) - len(after) + len(form.ending)


def whole_calls(text: str) -> tuple[list[ToolCall], str]:
    """(calls, the one that is not whole) of a call or a list that was cut off."""
    calls: list[ToolCall] = []
    rest = text.lstrip("[ \r\n\t")
    while rest.startswith("{"):
        try:
            value, end = DECODER.raw_decode(rest)
        except (ValueError, RecursionError):
            return calls, rest
        calls += [call for call in calls_of(value) if call is not None]
        rest = rest[end:].lstrip(f"{SEPARATORS},")
    return calls, ""


def calls_of(value: Any) -> list[ToolCall | None]:
    return [call_of(one) for one in (cast(list[Any], value) if isinstance(value, list) else [value])]


def call_of(value: Any) -> ToolCall | None:
    """None of what is no call. Families have keys of their own, and some models write arguments as text."""
    if not isinstance(value, dict):
        return None
    fields = cast(dict[str, Any], value)
    arguments = fields.get("arguments", fields.get("parameters"))
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        call = WrittenCall.model_validate({"name": fields.get("name", fields.get("tool_name")), "arguments": arguments})
    except (ValidationError, ValueError):
        return None
    return ToolCall(call.name, json.dumps(call.arguments, ensure_ascii=False), new_call_id())
