"""Calls are told apart from text however the stream is cut, and nothing that was written is lost."""

import json

import pytest

from modules.replies.pipeline import CUT_CALL, ReplyPipeline
from modules.types.call_formats import COMMAND, HERMES, LLAMA, MISTRAL, MISTRAL_ARGS, CallFormat
from modules.types.generation import Event, Failed, Finished, ReasoningDelta, TextDelta
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


FAMILIES: list[tuple[CallFormat, str, list[object]]] = [
    (LLAMA, '{"name": "add", "parameters": {"a": 1}}', [("add", {"a": 1})]),
    (LLAMA, ' {"name": "add", "parameters": {"a": 1}}; {"name": "b", "parameters": {}}', [("add", {"a": 1}), ("b", {})]),
    (LLAMA, 'Hm. <|python_tag|>{"name": "add", "arguments": {"a": 1}}', ["Hm.", ("add", {"a": 1})]),
    (LLAMA, '{"name": "Bob", "age": 3}', ['{"name": "Bob", "age": 3}']),
    (LLAMA, '{"answer": {"name": "add", "parameters": {}}}', ['{"answer": {"name": "add", "parameters": {}}}']),
    (LLAMA, 'So: {"name": "add", "parameters": {}}', ['So: {"name": "add", "parameters": {}}']),
    (MISTRAL, '[TOOL_CALLS] [{"name": "add", "arguments": {"a": "]}"}, "id": "123456789"}]', [("add", {"a": "]}"})]),
    (MISTRAL, 'Ok [TOOL_CALLS][{"name": "b", "arguments": "{\\"a\\": [1]}"}]', ["Ok", ("b", {"a": [1]})]),
    (MISTRAL, "[TOOL_CALLS] []", ["[TOOL_CALLS] []"]),
    (MISTRAL, "an [array] of [TOOL", ["an [array] of [TOOL"]),
    (MISTRAL_ARGS, '[TOOL_CALLS]b[ARGS]{}[TOOL_CALLS]c[CALL_ID]x1[ARGS]{"a": {}}', [("b", {}), ("c", {"a": {}})]),
    (MISTRAL_ARGS, "[TOOL_CALLS]b[ARGS]{broken}", ["[TOOL_CALLS]b[ARGS]{broken}"]),
    (COMMAND, '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "b", "parameters": {}}]<|END_ACTION|>', [("b", {})]),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("form", "text", "expected"), FAMILIES)
def test_calls_of_each_family(form: CallFormat, text: str, expected: list[object], size: int) -> None:
    pipeline = ReplyPipeline(calls=form)
    events: list[Event] = []
    for start in range(0, len(text), size):
        events += pipeline.feed(TextDelta(text[start : start + size]))
    events += pipeline.feed(Finished("stop"))
    assert parts_of(events) == expected


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


LIST = '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}, {"name": "add", "arguments": {"a": 2}}]'
LLAMA_CALL = '{"name": "add", "parameters": {"a": 1}}'
ARGS = '[TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]add[ARGS]{"a": 2}'


@pytest.mark.parametrize(
    ("form", "text"),
    [(HERMES, f"{ADD}\n{ADD}"), (LLAMA, LLAMA_CALL), (MISTRAL, LIST), (MISTRAL_ARGS, ARGS)],
)
@pytest.mark.parametrize("end", [Finished("length"), Finished("cancelled"), Failed("died")])
def test_half_a_call_held_to_a_grammar_is_left_out_wherever_it_was_cut(
    form: CallFormat, text: str, end: Finished | Failed
) -> None:
    whole = 0
    for cut in range(1, len(text) + 1):
        pipeline = ReplyPipeline(calls=form, calls_are_held=True)
        events = [*pipeline.feed(TextDelta(text[:cut])), *pipeline.feed(end)]
        parts = parts_of(events)
        assert all(isinstance(part, tuple) for part in parts)
        assert len(parts) >= whole
        whole = len(parts)
    assert whole == text.count("add")
    assert events[-1] == end


def test_a_stop_text_within_a_call_leaves_it_out_and_keeps_those_before() -> None:
    pipeline = ReplyPipeline(calls=HERMES, calls_are_held=True)
    events = [*pipeline.feed(TextDelta(f'{ADD}\n<tool_call>\n{{"name": "add",')), *pipeline.feed(Finished("stop"))]
    assert parts_of(events) == [("add", {"a": 1})]
    assert events[-1] == Finished("tool_calls", notes=(CUT_CALL,))


@pytest.mark.parametrize("text", ["2 <", "an <tool", "[1, 2"])
def test_words_that_came_to_their_end_are_kept_whole(text: str) -> None:
    pipeline = ReplyPipeline(calls=HERMES, calls_are_held=True)
    assert parts_of([*pipeline.feed(TextDelta(text)), *pipeline.feed(Finished("stop"))]) == [text]
