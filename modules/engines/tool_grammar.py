"""Calls of tools as a constraint: whatever a model writes is an answer, or a call whose arguments follow the schema."""

import json
import re
from collections.abc import Sequence
from typing import Any

from modules.engines.json_schemas import compact
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.call_formats import ARGUMENTS, HERMES, NAME, CallFormat
from modules.types.generation import Constraint
from modules.types.tools import ToolSpec, ToolUse

THOUGHT = "thought: thinking /\\n{0,2}/\nthinking[lazy]: /(?s:.*)<\\/think>/"
# What is left of an opening is enough to know it: results of tools begin in the same way, and small models repeat them.
OPENING_SEPARATOR = "_"
CALL_START = 'name"'


def call_constraint(
    use: ToolUse, form: CallFormat = HERMES, *, answer: Constraint | None = None, is_thinking: bool = False
) -> Constraint:
    """What a reply must match that may, must, or must not call one of these tools.

    Calls are written in the form of the model's family. `answer` is what the reply must match where it calls none; only
    a JSON schema can be. With `is_thinking` the reply begins within a thought. Raises BadRequest for an answer or a
    schema that cannot be followed.
    """
    words = answer_regex(form)
    if use.choice == "none":
        return answer or Constraint("lark", f"start: /{words}/")
    tools = [tool for tool in use.tools if use.named in ("", tool.name)]
    calls = calls_rules(tools, form, several=use.parallel and not use.named)
    opening = terms(form.opening, form)
    first = f"({opening})? calls" if form.opens_reply else f"{opening} calls"
    thought = "thought " if is_thinking else ""
    thoughts = [THOUGHT] if is_thinking else []
    if use.choice == "required":
        rules = [f"start: {thought}{first}", *thoughts, *calls]
    elif answer is None:
        rules = [*answer_or_calls(form, words, first), *calls]
    else:
        rules = [f"start: {thought}(answer | {first})", *thoughts, answer_rule(answer), *calls]
    return Constraint("lark", "\n".join(rules), marks=form.control)


def answer_or_calls(form: CallFormat, words: str, first: str) -> list[str]:
    """Words, or words and calls. The lazy terminal ends where the text has come to a call."""
    rules = [f"ANSWER: /{words}/"]
    if form.opens_reply:
        return [f"start: ANSWER | {first}", *rules]
    before = f"before_call[lazy]: /{without_beginning(form)}*{escaped(form.opening)}/"
    if form.opening not in form.control:
        return ["start: ANSWER | before_call calls", *rules, before]
    return [f"start: ANSWER | before_call calls | ANSWER? {first}", *rules, before]


def calls_rules(tools: Sequence[ToolSpec], form: CallFormat, *, several: bool) -> list[str]:
    """`calls` is what follows the opening. Their number is bounded: a model that likes to call would go on for ever."""
    more = ""
    if several and form.between is not None:
        more = f" ({terms(form.between, form)} call){{0,{LIMITS.calls_at_once - 1}}}"
    # Tokenizers that glue a space to what follows make models write one here.
    before = f'" "? {terms(form.before, form)} ' if form.before else ""
    after = f" {terms(form.after, form)}" if form.after else ""
    return [
        f"calls: {before}call{more}{after}",
        f"call: {' | '.join(f'tool_{place}' for place in range(len(tools)))}",
        *(rule for place, tool in enumerate(tools) for rule in tool_rules(place, tool, form)),
    ]


def tool_rules(place: int, tool: ToolSpec, form: CallFormat) -> list[str]:
    head, _, tail = form.call.partition(ARGUMENTS)
    named = head.replace(NAME, tool.name if form.before_arguments else json.dumps(tool.name, ensure_ascii=False))
    end = f" {terms(tail, form)}" if tail else ""
    return [
        f"tool_{place}: {terms(named, form)} arguments_{place}{end}",
        f"arguments_{place}: %json {json.dumps(compact(arguments_schema(tool)))}",
    ]


def terms(text: str, form: CallFormat) -> str:
    """A text as terms of a grammar: what models have as tokens of their own by its mark, the rest as it is."""
    marks = {mark: f"mark_{place}" for place, mark in enumerate(form.control)}
    cuts = re.split(f"({'|'.join(map(re.escape, marks))})", text) if marks else [text]
    return " ".join(marks.get(cut) or json.dumps(cut) for cut in cuts if cut)


def answer_regex(form: CallFormat) -> str:
    """Words of the model's own, in which no call begins."""
    if form.opens_reply:
        return r"(\s*([^{\s]|\{\s*([^\"\s]|\"" + not_beginning(CALL_START) + r"))(?s:.*))?"
    return f"{without_beginning(form)}*{beginning_cut_off(form)}"


def not_beginning(text: str) -> str:
    return f"({'|'.join(f'{escaped(text[:place])}[^{escaped(text[place])}]' for place in range(len(text)))})"


def without_beginning(form: CallFormat) -> str:
    """One step through text without the beginning of an opening, whose first character does not come again in it.

    Any way in which that may begin is followed by what does not go on with it. Grammars here have no other way to say
    "without".
    """
    first, rest = beginning_of(form)
    steps = [f"{escaped(rest[:place])}[^{escaped(first + rest[place])}]" for place in range(len(rest))]
    return f"([^{escaped(first)}]|{begun(form)}({'|'.join(steps)}))"


def begun(form: CallFormat) -> str:
    """The beginning so far as it can begin anew, perhaps many times."""
    first, rest = beginning_of(form)
    return f"{escaped(first)}({'|'.join(escaped(rest[:place] + first) for place in range(len(rest)))})*"


def beginning_cut_off(form: CallFormat) -> str:
    _, rest = beginning_of(form)
    return f"({begun(form)}({'|'.join(escaped(rest[:place]) for place in range(1, len(rest)))})?)?"


def beginning_of(form: CallFormat) -> tuple[str, str]:
    """The first character, and what follows up to the separator."""
    head, separator, _ = form.opening.partition(OPENING_SEPARATOR)
    return head[0], head[1:] + separator


def escaped(text: str) -> str:
    """For a regular expression between slashes, also within brackets."""
    return "".join(f"\\{character}" if character in r"\/[]{}()|^$.*+?-" else character for character in text)


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
