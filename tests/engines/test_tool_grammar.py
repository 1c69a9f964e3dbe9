"""What a grammar of calls lets through, followed byte by byte."""

import json
from typing import Any

import pytest

from modules.engines.grammars import TextCheck, grammar_of
from modules.engines.tool_grammar import call_constraint
from modules.errors import BadRequest
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


def test_most_tools_still_compile() -> None:
    use = ToolUse(tuple(ToolSpec(f"tool_{number}", "", NUMBERS) for number in range(64)))
    assert TextCheck(grammar_of(call_constraint(use))).accepts(call("tool_63", {"a": 3}))
