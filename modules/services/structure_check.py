"""Whether a constraint can be followed, and where it cannot: told while it is being typed."""

import re
from dataclasses import dataclass

from modules.errors import BadRequest
from modules.types.generation import Constraint

# What the grammars' library says is wrapped in a line of our own: `start: ` and the constraint.
WRAPPED_LINES = 1
JSON_PLACE = re.compile(r"Invalid JSON: (?P<what>.+?) at line (?P<line>\d+) column (?P<column>\d+)")
REGEX_PLACE = re.compile(r"regex parse error:\n {4}.*\n(?P<before> {4} *)\^+\nerror: (?P<what>.+)")
LARK_PLACE = re.compile(r"(?:at )?(?P<line>\d+)\((?P<column>\d+)\): (?P<what>.+)")
GBNF_PLACE = re.compile(r"(?P<what>.+?) at line (?P<line>\d+)")


@dataclass(frozen=True)
class StructureFault:
    """Line and column count from 1; 0 where the place is not known."""

    message: str
    line: int = 0
    column: int = 0


def structure_fault(constraint: Constraint) -> StructureFault | None:
    """None of a constraint that engines can follow."""
    from modules.engines.grammars import grammar_of

    try:
        grammar_of(constraint)
    except BadRequest as error:
        return fault_of(constraint.kind, str(error).partition("is not valid: ")[2])
    return None


def fault_of(kind: str, told: str) -> StructureFault:
    if found := JSON_PLACE.search(told):
        return StructureFault(f"This is no valid JSON: {found['what']}.", int(found["line"]), int(found["column"]))
    if "validation error" in told:
        return StructureFault(
            "A JSON schema is an object: write it in braces."
            if kind == "json_schema"
            else "Choices are a JSON list of at least one text."
        )
    if kind == "regex" and (found := REGEX_PLACE.search(told)):
        return StructureFault(sentence(found["what"]), 1, len(found["before"]) - 3)
    if kind == "gbnf" and (found := GBNF_PLACE.search(told)):
        return StructureFault(sentence(found["what"]), int(found["line"]))
    if found := LARK_PLACE.search(told):
        place = (int(found["line"]) - WRAPPED_LINES, int(found["column"])) if kind == "lark" else (0, 0)
        return StructureFault(sentence(found["what"]), *place)
    return StructureFault(sentence(told.splitlines()[0] if told else "it cannot be followed"))


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
