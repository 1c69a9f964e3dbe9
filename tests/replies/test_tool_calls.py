"""Calls are told apart from text however the stream is cut, and nothing that was written is lost."""

import json

import pytest

from modules.replies.pipeline import ReplyPipeline
from modules.types.call_formats import HERMES
from modules.types.generation import Event, Finished, ReasoningDelta, TextDelta
from modules.types.tools import ToolCall

ADD = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
TRICKY = '<tool_call>{"name": "say", "arguments": {"text": "</tool_call> é <tool_call>"}}</tool_call>'
CASES = [
    ("hello", ["hello"]),
    (ADD, [("add", {"a": 1})]),
    (f"Let me see.\n\n{ADD}", ["Let me see.", ("add", {"a": 1})]),
    (f"{ADD}\n{ADD}\n", [("add", {"a": 1}), ("add", {"a": 1})]),
    (TRICKY, [("say", {"text": "</tool_call> é <tool_call>"})]),
    ("a <tool_ca b", ["a <tool_ca b"]),
    ('x <tool_call>{"name": "add", "argu', ['x <tool_call>{"name": "add", "argu']),
    ("<tool_call>no JSON</tool_call> and on", ["<tool_call>no JSON</tool_call> and on"]),
    ("<think>\nhm\n</think>\n" + ADD, ["!hm\n", ("add", {"a": 1})]),
]


def parts_of(events: list[Event]) -> list[object]:
    """Texts joined, calls as (name, arguments), thoughts with an exclamation mark before them."""
    parts: list[object] = []
    for event in events:
        match event:
            case TextDelta() if parts and isinstance(parts[-1], str) and not parts[-1].startswith("!"):
                parts[-1] += event.text
            case ReasoningDelta() if parts and isinstance(parts[-1], str):
                parts[-1] += event.text
            case TextDelta():
                parts.append(event.text)
            case ReasoningDelta():
                parts.append(f"!{event.text}")
            case ToolCall():
                assert event.id.startswith("call_")
                parts.append((event.name, json.loads(event.arguments)))
            case _:
                pass
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("text", "expected"), CASES)
def test_calls_apart_from_text(text: str, expected: list[object], size: int) -> None:
    pipeline = ReplyPipeline(calls=HERMES)
    events: list[Event] = []
    for start in range(0, len(text), size):
        events += pipeline.feed(TextDelta(text[start : start + size]))
    events += pipeline.feed(Finished("stop"))
    shown = "".join(part for part in expected if isinstance(part, str)).replace(" ", "")
    parts = parts_of(events)
    assert "".join(part for part in parts if isinstance(part, str)).replace(" ", "") == shown
    assert [part for part in parts if isinstance(part, tuple)] == [part for part in expected if isinstance(part, tuple)]
    has_calls = any(isinstance(part, tuple) for part in expected)
    assert events[-1] == Finished("tool_calls" if has_calls else "stop")


def test_calls_are_only_looked_for_where_tools_are() -> None:
    pipeline = ReplyPipeline()
    events = [*pipeline.feed(TextDelta(ADD)), *pipeline.feed(Finished("stop"))]
    assert parts_of(events) == [ADD]


def test_a_reply_that_was_cut_is_no_call() -> None:
    pipeline = ReplyPipeline(calls=HERMES)
    events = [*pipeline.feed(TextDelta(ADD[:-5])), *pipeline.feed(Finished("length"))]
    assert parts_of(events) == [ADD[:-5]]
    assert events[-1] == Finished("length")
