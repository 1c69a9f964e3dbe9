"""Whether a constraint can be followed, and where it cannot: told while it is being typed."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from modules.errors import BadRequest
from modules.types.generation import Constraint

# How the checker says where a fault is.
JSON_PLACE = re.compile(r"^Invalid JSON: (?P<what>.+?) at line (?P<line>\d+) column (?P<column>\d+)")
REGEX_PLACE = re.compile(r"^(?P<what>.+), at character (?P<column>\d+) of ")
LARK_PLACE = re.compile(r"^line (?P<line>\d+), column (?P<column>\d+): (?P<what>.+)")
GBNF_PLACE = re.compile(r"(?P<what>.+?) at line (?P<line>\d+)")
WRONG_SORT = ("Input should", "List should")


@dataclass(frozen=True)
class StructureFault:
    """Line and column count from 1; 0 where the place is not known."""

    message: str
    line: int = 0
    column: int = 0


def structure_fault(check: Callable[[Constraint], None], constraint: Constraint) -> StructureFault | None:
    """None of a constraint that engines can follow; `check` raises BadRequest for others."""
    try:
        check(constraint)
    except BadRequest as error:
        return fault_of(constraint.kind, str(error))
    return None


def fault_of(kind: str, message: str) -> StructureFault:
    _, _, told = message.partition("is not valid: ")
    if found := JSON_PLACE.search(told):
        return StructureFault(f"This is no valid JSON: {found['what']}.", int(found["line"]), int(found["column"]))
    if told.startswith(WRONG_SORT):
        return StructureFault(
            "A JSON schema is an object: write it in braces."
            if kind == "json_schema"
            else "Choices are a JSON list of at least one text."
        )
    if kind == "regex" and (found := REGEX_PLACE.search(told)):
        return StructureFault(sentence(found["what"]), 1, int(found["column"]))
    if kind == "gbnf" and (found := GBNF_PLACE.search(told)):
        return StructureFault(sentence(found["what"]), int(found["line"]))
    if kind == "lark" and (found := LARK_PLACE.search(told)):
        return StructureFault(sentence(found["what"]), int(found["line"]), int(found["column"]))
    return StructureFault(sentence((told or message).splitlines()[0]))


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
