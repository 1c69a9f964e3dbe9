"""What a grammar of calls lets through, followed byte by byte."""

import json
from typing import Any

import pytest

from modules.engines.grammars import TextCheck, grammar_of
from modules.engines.tool_grammar import call_constraint
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.call_formats import COMMAND, FORMATS, LLAMA, MISTRAL, MISTRAL_ARGS, CallFormat
from modules.types.generation import Constraint
from modules.types.tools import ToolSpec, ToolUse

NUMBERS: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/n"}},
    "required": ["a"],
    "$defs": {"n": {"type": "integer", "minimum": 5}},
}
TOOLS = (ToolSpec("add", "Adds.", NUMBERS), ToolSpec("now"), ToolSpec("store", "", {"type": "object"}))


def call(name: str, arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


ADD, NOW = call("add", {"a": 1, "b": 7}), call("now", {})
AUTO, NONE = ToolUse(TOOLS), ToolUse(TOOLS, "none")
REQUIRED, NAMED = ToolUse(TOOLS, "required"), ToolUse(TOOLS, "required", "now")
JSON_ANSWER = Constraint("json_schema", '{"type": "object", "properties": {"x": {"type": "null"}}}')


@pytest.mark.parametrize(
    ("use", "text", "allowed"),
    [
        (AUTO, "just words, <table> and <<tool> in them", True),
        (AUTO, "a result of its own <tool_response>", False),
        (NONE, "just words, <table> and <<tool> in them", True),
        (NONE, f"words and {ADD}", False),
        (AUTO, ADD, True),
        (AUTO, f"I look.\n{NOW}", True),
        (AUTO, f"{ADD}\n{NOW}", True),
        (AUTO, f"{NOW} and more", False),
        (AUTO, call("subtract", {}), False),
        (AUTO, call("add", {"b": 7}), False),
        (AUTO, call("add", {"a": 1, "b": 4}), False),
        (AUTO, call("add", {"a": 1, "c": 4}), False),
        (AUTO, call("now", {"zone": "UTC"}), False),
        (AUTO, call("store", {"anything": ["goes"]}), True),
        (ToolUse(TOOLS, parallel=False), f"{ADD}\n{NOW}", False),
        (REQUIRED, "words", False),
        (REQUIRED, ADD, True),
        (NAMED, NOW, True),
        (NAMED, ADD, False),
        (NAMED, f"{NOW}\n{NOW}", False),
    ],
)
def test_answers_and_calls(use: ToolUse, text: str, allowed: bool) -> None:
    assert TextCheck(grammar_of(call_constraint(use))).accepts(text) == allowed


@pytest.mark.parametrize(
    ("form", "use", "text", "allowed"),
    [
        (LLAMA, AUTO, 'words, {"name": 3} among them', True),
        (LLAMA, AUTO, '{"a": 1}', True),
        (LLAMA, AUTO, '{"name": "Bob"}', False),
        (LLAMA, AUTO, '{"name": "add", "parameters": {"a": 1, "b": 7}}', True),
        (LLAMA, AUTO, '{"name": "add", "parameters": {"a": 1, "b": 4}}', False),
        (LLAMA, REQUIRED, '<|python_tag|>{"name": "now", "parameters": {}}', True),
        (LLAMA, REQUIRED, "words", False),
        (LLAMA, NAMED, '{"name": "add", "parameters": {"a": 1}}', False),
        (LLAMA, AUTO, '{"name": "now", "parameters": {}}{"name"', False),
        (MISTRAL, AUTO, "words [TOOL and [[more", True),
        (MISTRAL, NONE, "words [TOOL_RESULTS]", False),
        (MISTRAL, AUTO, 'I look. [TOOL_CALLS] [{"name": "now", "arguments": {}}]', True),
        (MISTRAL, REQUIRED, '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}]', True),
        (MISTRAL, REQUIRED, '[TOOL_CALLS][{"name": "now", "arguments": {"zone": 1}}]', False),
        (MISTRAL, NAMED, '[TOOL_CALLS][{"name": "now", "arguments": {}}, {', False),
        (MISTRAL_ARGS, AUTO, 'Yes.[TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]now[ARGS]{}', True),
        (MISTRAL_ARGS, REQUIRED, "[TOOL_CALLS]subtract", False),
        (MISTRAL_ARGS, ToolUse(TOOLS, parallel=False), "[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]", False),
        (COMMAND, AUTO, "words <|START_THINKING|>", False),
        (COMMAND, AUTO, '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "now", "parameters": {}}\n]<|END_ACTION|>', True),
    ],
)  # fmt: skip
def test_every_family_calls_in_its_own_words(form: CallFormat, use: ToolUse, text: str, allowed: bool) -> None:
    assert TextCheck(grammar_of(call_constraint(use, form))).accepts(text) == allowed


@pytest.mark.parametrize("use", [AUTO, REQUIRED])
def test_after_the_most_calls_nothing_may_follow(use: ToolUse) -> None:
    check = TextCheck(grammar_of(call_constraint(use)))
    assert check.accepts("\n".join([NOW] * LIMITS.calls_at_once))
    assert not check.accepts("\n")


@pytest.mark.parametrize("form", FORMATS)
def test_most_tools_compile_in_every_family(form: CallFormat) -> None:
    use = ToolUse(tuple(ToolSpec(f"tool_{number}", "", NUMBERS) for number in range(64)))
    assert TextCheck(grammar_of(call_constraint(use, form))).accepts("words")


def test_thoughts_come_before_a_call_that_must_be_made() -> None:
    grammar = grammar_of(call_constraint(REQUIRED, is_thinking=True))
    assert TextCheck(grammar).accepts(f"hm, <tool_call> or so\n</think>\n\n{ADD}")
    assert not TextCheck(grammar).accepts("hm\n</think>\nwords")


def test_an_answer_follows_its_own_schema() -> None:
    grammar = grammar_of(call_constraint(AUTO, answer=JSON_ANSWER))
    assert TextCheck(grammar).accepts('{"x": null}')
    assert TextCheck(grammar).accepts(ADD)
    assert not TextCheck(grammar).accepts("words")
    with pytest.raises(BadRequest, match="A regex constraint does not go with tools") as caught:
        call_constraint(AUTO, answer=Constraint("regex", "a+"))
    assert caught.value.field == "response_format"
