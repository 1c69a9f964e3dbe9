"""Calls of tools as a constraint: whatever a model writes is an answer, or a call whose arguments follow the schema."""

import json
from typing import Any

from modules.engines.json_schemas import compact
from modules.errors import BadRequest
from modules.types.generation import Constraint
from modules.types.tools import CALL_CLOSING, CALL_OPENING, ToolSpec, ToolUse

# A model that likes to call would go on for ever.
MOST_CALLS = 8
# Text without the beginning that calls and results of tools share, which small models like to repeat: any way in which
# that may begin is followed by what does not go on with it. Grammars here have no other way to say "without".
BEGUN = "<(<|t<|to<|too<|tool<)*"
ANSWER = f"([^<]|{BEGUN}([^<t]|t[^<o]|to[^<o]|too[^<l]|tool[^<_]))*"
ANSWER_END = f"({BEGUN}(t|to|too|tool)?)?"
# Lazy: it ends where the text has come to a call.
BEFORE_CALL = f"before_call[lazy]: /{ANSWER}{CALL_OPENING}/"
THOUGHT = "thought: thinking /\\n{0,2}/\nthinking[lazy]: /(?s:.*)<\\/think>/"


def call_constraint(use: ToolUse, *, answer: Constraint | None = None, is_thinking: bool = False) -> Constraint:
    """What a reply must match that may, must, or must not call one of these tools.

    `answer` is what it must match where it calls none; only a JSON schema can be. With `is_thinking` the reply begins
    within a thought. Raises BadRequest for an answer or a schema that cannot be followed.
    """
    if use.choice == "none":
        return answer or Constraint("lark", f"start: /{ANSWER}{ANSWER_END}/")
    tools = [tool for tool in use.tools if use.named in ("", tool.name)]
    one_only = use.named or not use.parallel
    calls = "call" if one_only else f'call ("\\n{CALL_OPENING}" call){{0,{MOST_CALLS - 1}}}'
    rules = [
        f'call: "\\n" ({" | ".join(f"tool_{place}" for place in range(len(tools)))}) "\\n{CALL_CLOSING}"',
        *(rule for place, tool in enumerate(tools) for rule in tool_rules(place, tool)),
    ]
    if use.choice == "required":
        thought = "thought " if is_thinking else ""
        rules = [f'start: {thought}"{CALL_OPENING}" {calls}', *([THOUGHT] if is_thinking else []), *rules]
    elif answer is None:
        rules = [f"start: ANSWER | before_call {calls}", f"ANSWER: /{ANSWER}{ANSWER_END}/", BEFORE_CALL, *rules]
    else:
        thought = "thought " if is_thinking else ""
        start = f'start: {thought}(answer | "{CALL_OPENING}" {calls})'
        rules = [start, *([THOUGHT] if is_thinking else []), answer_rule(answer), *rules]
    return Constraint("lark", "\n".join(rules))


def tool_rules(place: int, tool: ToolSpec) -> list[str]:
    beginning = f'{{"name": {json.dumps(tool.name)}, "arguments": '
    return [
        f'tool_{place}: {json.dumps(beginning)} arguments_{place} "}}"',
        f"arguments_{place}: %json {json.dumps(compact(arguments_schema(tool)))}",
    ]


def arguments_schema(tool: ToolSpec) -> dict[str, Any]:
    """Of an object in any case, and without arguments that are not named where some are."""
    schema: dict[str, Any] = {"properties": {}, **tool.parameters, "type": "object"}
    if "properties" in tool.parameters or not tool.parameters:
        return {"additionalProperties": False, **schema}
    return schema


def answer_rule(answer: Constraint) -> str:
    if answer.kind != "json_schema":
        raise BadRequest(
            f"A {answer.kind} constraint does not go with tools; a JSON schema does. Leave one of them out.",
            "response_format",
        )
    return f"answer: %json {json.dumps(compact(json.loads(answer.source)))}"
