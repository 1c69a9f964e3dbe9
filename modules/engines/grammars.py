"""Constraints of every kind as one grammar, in llguidance's Lark, which both real engines read.

Checked here, because llama.cpp answers unconstrained when it cannot compile a grammar of this form.
"""

import json
import re
from typing import Annotated, Any

import llguidance
from llguidance.gbnf_to_lark import any_to_lark
from pydantic import Field, TypeAdapter

from modules.errors import BadRequest
from modules.types.generation import Constraint

# llguidance's own compiler; it has types only in parts.
matcher: Any = llguidance.LLMatcher

SCHEMA: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
CHOICES: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[str], Field(min_length=1)])

# A small model may write line breaks for ever where the grammar lets it.
COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def grammar_of(constraint: Constraint) -> str:
    """A grammar that is known to compile. Raises BadRequest with the place of the error."""
    try:
        grammar = "%llguidance {}\n" + rules(constraint)
    # The converter of GBNF has an error class of its own, below Exception.
    except Exception as error:
        raise BadRequest(f"The {constraint.kind} constraint is not valid: {error}", field="response_format") from error
    if problem := matcher.validate_grammar(grammar):
        raise BadRequest(f"The {constraint.kind} constraint is not valid: {problem.strip()}", field="response_format")
    return grammar


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
            schema = SCHEMA.validate_json(source)
            return f"start: %json {json.dumps({'x-guidance': COMPACT, **schema})}"
        case "regex":
            return f"start: /{regex_literal(source)}/"
        case "choice":
            return "start: " + " | ".join(json.dumps(one, ensure_ascii=False) for one in CHOICES.validate_json(source))
        case "gbnf":
            return any_to_lark(source).removeprefix("%llguidance {}")
        case "lark":
            return source.removeprefix("%llguidance {}")


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
