"""Constraints of every kind as one grammar, in llguidance's Lark, which both real engines read.

Checked here, because llama.cpp answers unconstrained when it cannot compile a grammar of this form; and first of all in
a child of the program's own, which is this module run, because the compiler can be made to crash or to take for ever.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import llguidance
import numpy
from llguidance.gbnf_to_lark import any_to_lark
from pydantic import Field, TypeAdapter, ValidationError

from modules.children import ParentPipe, limit_memory
from modules.engines.json_schemas import compact, parts
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.generation import Constraint

# llguidance's own compiler; it has types only in parts.
matcher: Any = llguidance.LLMatcher

SCHEMA: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
CHOICES: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[str], Field(min_length=1)])

HEAD = "%llguidance {}\n"
MESSAGE_CHARS = 300
PARTS_TRIED = 200
# A text of a constraint is followed so far when it is tried, taking now this and now that of the bytes allowed.
TRIED_BYTES = 48
STRIDE = 7
BYTES = 256
# How the compiler's messages are made: the grammar with line numbers, places in it, and its regular expressions' own.
COMPILED_SOURCE = re.compile(r"\n *1 \| ")
PLACE = re.compile(r"^(?:at )?(\d+)\((\d+)\)")
SCHEMA_PLACE = re.compile(r"^at \d+\(\d+\): failed to compile JSON schema: ")
REGEX_ERROR = re.compile(r"regex parse error:\n(.*)\n( *)\^+\nerror: (.*)")
REGEX_INDENT = 4
MATCHER_STATE = "\n<state>"


def grammar_of(constraint: Constraint) -> str:
    """A grammar that is known to compile, its marks as text. Raises BadRequest with the place of the error."""
    try:
        grammar = HEAD + rules(constraint)
    except BadRequest:
        raise
    except RecursionError as error:
        raise invalid(constraint, "it is nested too deeply") from error
    except ValidationError as error:
        raise invalid(constraint, f"{error.errors()[0]['msg'][:MESSAGE_CHARS]}.") from error
    # The converter of GBNF has an error class of its own, below Exception.
    except Exception as error:
        raise invalid(constraint, str(error)[:MESSAGE_CHARS]) from error
    if problem := matcher.validate_grammar(grammar):
        raise invalid(constraint, told(constraint, problem))
    return grammar


def with_marks(constraint: Constraint, tokens: Mapping[str, int]) -> str:
    """The same with those marks as tokens that the model has as such. Raises as `grammar_of`."""
    grammar = grammar_of(constraint)
    for place, mark in enumerate(constraint.marks):
        if mark in tokens:
            grammar = grammar.replace(f"\n{mark_rule(place, mark)}", f"\nmark_{place}: <[{tokens[mark]}]>")
    return grammar


def own_tokens(constraint: Constraint | None, tokenize: Callable[[str], list[int]]) -> dict[str, int]:
    """Those marks of a constraint that a model has as one token, each with its id."""
    ids = {mark: tokenize(mark) for mark in (constraint.marks if constraint else ())}
    return {mark: tokens[0] for mark, tokens in ids.items() if len(tokens) == 1}


def mark_rule(place: int, mark: str) -> str:
    return f"mark_{place}: {json.dumps(mark)}"


def invalid(constraint: Constraint, reason: str) -> BadRequest:
    return BadRequest(f"The {constraint.kind} constraint is not valid: {reason}", field="response_format")


def told(constraint: Constraint, problem: str) -> str:
    """The compiler's message in terms of the source that was given, with the place in it."""
    reason = COMPILED_SOURCE.split(problem, maxsplit=1)[0].strip()
    if error := REGEX_ERROR.search(reason):
        place = len(error[2]) - REGEX_INDENT + 1
        reason = f"{error[3].strip()}, at character {place} of {error[1].strip()[:200]}"
    match constraint.kind:
        case "json_schema":
            return f"{SCHEMA_PLACE.sub('', reason)[:MESSAGE_CHARS]}, at {pointer_of_fault(constraint.source)}"
        case "lark":
            return PLACE.sub(lambda place: f"line {int(place[1]) - 1}, column {place[2]}", reason)[:MESSAGE_CHARS]
        case _:
            return re.sub(r"^(?:at )?\d+\(\d+\): ", "", reason)[:MESSAGE_CHARS]


def pointer_of_fault(source: str) -> str:
    """The innermost part that does not compile by itself; the whole where none is found soon."""
    schema = SCHEMA.validate_json(source)
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    deepest_first = sorted(parts(schema), key=lambda part: -part[2])
    for pointer, part, _ in deepest_first[:PARTS_TRIED]:
        if isinstance(part, dict) and matcher.validate_grammar(f"{HEAD}start: %json {json.dumps({**shared, **part})}"):
            return pointer
    return "#"


def try_out(constraint: Constraint) -> None:
    """Follows a text of it a little way. Raises BadRequest for one that does not compile or cannot be followed."""
    followed = matcher(llguidance.LLTokenizer("byte"), grammar_of(constraint), log_level=0)
    for step in range(TRIED_BYTES):
        mask = numpy.frombuffer(followed.compute_bitmask(), dtype=numpy.uint8)
        if followed.is_error():
            reason = followed.get_error().split(MATCHER_STATE, 1)[0].replace("NoExtensionBias", "no text matches it")
            raise BadRequest(
                f"The {constraint.kind} constraint cannot be followed: {reason[:MESSAGE_CHARS]}.", "response_format"
            )
        allowed = numpy.flatnonzero(numpy.unpackbits(mask, bitorder="little")[:BYTES])
        if followed.is_stopped() or not len(allowed):
            return
        followed.consume_token(int(allowed[step * STRIDE % len(allowed)]))


def serve() -> None:
    pipe = ParentPipe()
    limit_memory(LIMITS.constraint_bytes)
    for line in pipe.lines():
        answer: dict[str, Any] = {}
        try:
            try_out(Constraint(**json.loads(line)))
        except BadRequest as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - any fault of hostile text is that text's fault
            answer = {"error": f"The constraint cannot be used: {error}"[:MESSAGE_CHARS]}
        pipe.send(json.dumps(answer).encode())


class TextCheck:
    """Follows a text in its grammar byte by byte, without a model's tokens: half a microsecond a byte."""

    def __init__(self, grammar: str) -> None:
        self._matcher = matcher(llguidance.LLTokenizer("byte"), grammar, log_level=0)

    def accepts(self, text: str) -> bool:
        """Whether the grammar allows `text` after what was accepted so far; for ever False once it does not."""
        return self._matcher.consume_tokens(list(text.encode()))


def rules(constraint: Constraint) -> str:
    """Lark syntax: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md."""
    source = constraint.source
    match constraint.kind:
        case "json_schema":
            return f"start: %json {json.dumps(compact(SCHEMA.validate_json(source)))}"
        case "regex":
            return f"start: /{regex_literal(source)}/"
        case "choice":
            return "start: " + " | ".join(json.dumps(one, ensure_ascii=False) for one in CHOICES.validate_json(source))
        case "gbnf":
            return any_to_lark(source).removeprefix("%llguidance {}")
        case "lark":
            marks = (mark_rule(place, mark) for place, mark in enumerate(constraint.marks))
            return "\n".join((source.removeprefix("%llguidance {}"), *marks))


def regex_literal(source: str) -> str:
    r"""For use between slashes; `\d` means ASCII digits, as people expect, not those of every script."""
    pieces = re.findall(r"\\.|\[\^?(?:\\.|[^\]\\])*\]|.", source, re.DOTALL)
    return "".join(digits_as_ascii(piece) for piece in pieces).replace("\n", "\\n")


def digits_as_ascii(piece: str) -> str:
    if piece == r"\d":
        return "[0-9]"
    if piece == r"\D":
        return "[^0-9]"
    if piece == "/":
        return r"\/"
    return piece.replace(r"\d", "0-9").replace("/", r"\/") if piece.startswith("[") else piece


if __name__ == "__main__":
    serve()
