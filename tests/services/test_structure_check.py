"""A constraint is told to be wrong where it is wrong."""

from collections.abc import Iterator

import pytest

from modules.children import Launcher
from modules.engines.grammar_checker import GrammarChecker
from modules.services.structure_check import structure_fault
from modules.types.generation import Constraint, ConstraintKind


@pytest.fixture(scope="module")
def checker() -> Iterator[GrammarChecker]:
    launcher = Launcher()
    made = GrammarChecker(launcher)
    yield made
    made.close()
    launcher.close()


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("json_schema", '{"type": "object"}'),
        ("regex", "[a-c]{2}"),
        ("choice", '["yes", "no"]'),
        ("gbnf", 'root ::= "a"'),
        ("lark", 'start: "a"'),
    ],
)
def test_what_can_be_followed_has_no_fault(checker: GrammarChecker, kind: ConstraintKind, source: str) -> None:
    assert structure_fault(checker.check, Constraint(kind, source)) is None


@pytest.mark.parametrize(
    ("kind", "source", "line", "column"),
    [
        ("json_schema", '{"type": "object",\n "x": }', 2, 7),
        ("json_schema", '{"type": "objekt"}', 0, 0),
        ("json_schema", "[1]", 0, 0),
        ("regex", "ab(c", 1, 3),
        ("choice", "a, b", 1, 1),
        ("choice", "[]", 0, 0),
        ("gbnf", 'root ::= "a"\nfoo :== 3', 2, 0),
        ("gbnf", "root ::= foo", 0, 0),
        ("lark", 'start: "a"\nfoo: !!', 2, 7),
    ],
)
def test_a_fault_has_its_place(
    checker: GrammarChecker, kind: ConstraintKind, source: str, line: int, column: int
) -> None:
    fault = structure_fault(checker.check, Constraint(kind, source))
    assert fault is not None
    assert (fault.line, fault.column) == (line, column)
    assert fault.message.endswith(".")
    assert "%llguidance" not in fault.message
    assert "pydantic" not in fault.message
