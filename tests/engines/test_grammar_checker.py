"""Constraints before an engine sees them: what cannot be honoured or followed is refused by name and place."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from modules.children import Launcher
from modules.engines.grammar_checker import GrammarChecker
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.generation import Constraint, ConstraintKind

CHAIN = "start: r0\n" + "\n".join(f'r{n}: "{n}" r{n + 1} | "b"' for n in range(3500)) + '\nr3500: "z"'
WIDE = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2000)}}
HONOURED: list[dict[str, Any]] = [
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "prefixItems": [{"type": "null"}], "items": False},
    {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]},
    {"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "minProperties": 1, "maxProperties": 2},
    {"type": "string", "pattern": "^a+$", "minLength": 2},
    {"type": "string", "format": "date"},
    {"type": "number", "minimum": -1.5, "exclusiveMaximum": 3},
    {"type": "integer", "multipleOf": 5},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    {"allOf": [{"type": "integer"}, {"minimum": 3}]},
    {"enum": [1, "a", None]},
    {"const": {"a": 1}},
    {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"},
    {"title": "T", "description": "d", "default": 1, "examples": [1], "type": "integer"},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    *(
        ({"properties": {"a/b": {key: value}}}, f"'{key}'.*#/properties/a~1b")
        for key, value in {
            "uniqueItems": True,
            "not": {},
            "if": {},
            "contains": {},
            "dependentSchemas": {},
            "dependentRequired": {},
            "propertyNames": {},
            "unevaluatedProperties": False,
            "contentEncoding": "base64",
            "madeUp": 1,
            "x-guidance": {"lenient": True},
        }.items()
    ),
    ({"items": {"type": "string", "pattern": "a(?=b)"}}, "look-ahead.*character 2.*#/items"),
    ({"anyOf": [{"type": "string", "format": "unknown"}]}, "'unknown'.*#/anyOf/0"),
    ({"items": {"oneOf": [{"type": "integer"}, {"type": "number"}]}}, "oneOf.*#/items"),
    ({"items": {"$ref": "https://a.test/x.json"}}, "none is ever fetched.*#/items"),
    ({"items": {"$ref": "file:///etc/passwd"}}, "none is ever fetched.*#/items"),
    ({"$ref": "#/$defs/none"}, "/\\$defs/none"),
    ({"type": "integer", "multipleOf": 99_999_989}, "10,000"),
    ({"$defs": {f"d{n}": True for n in range(6000)}}, f"{LIMITS.schema_parts:,}"),
]


@pytest.fixture(scope="module")
def checker() -> Iterator[GrammarChecker]:
    launcher = Launcher()
    checker = GrammarChecker(launcher)
    yield checker
    checker.close()
    launcher.close()


@pytest.mark.parametrize("schema", HONOURED, ids=json.dumps)
def test_keywords_that_are_honoured(checker: GrammarChecker, schema: dict[str, Any]) -> None:
    checker.check(Constraint("json_schema", json.dumps(schema)))


@pytest.mark.parametrize(("schema", "words"), REFUSED)
def test_keywords_that_are_not_are_refused_by_name_and_place(
    checker: GrammarChecker, schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest, match=words) as raised:
        checker.check(Constraint("json_schema", json.dumps(schema)))
    assert raised.value.field == "response_format"


@pytest.mark.parametrize(
    ("kind", "source", "words"),
    [
        ("json_schema", "{bad", "line 1 column 2"),
        ("json_schema", "[1]", "object"),
        ("json_schema", json.dumps({"x": "y" * LIMITS.constraint_chars}), f"{LIMITS.constraint_chars:,}"),
        ("regex", "a(b", "unclosed group, at character 2"),
        ("lark", 'start: "a"\n  | b', 'line 1, column 8: unknown name: "b"'),
        ("lark", "start: a\na: b\nb: a", "no text matches"),
        ("gbnf", 'root ::= "a" b', "'b' not found"),
        ("gbnf", "root ::= [a-", "line 1"),
        ("choice", "[]", "at least 1"),
    ],
)
def test_mistakes_are_told_with_their_place(
    checker: GrammarChecker, kind: ConstraintKind, source: str, words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        checker.check(Constraint(kind, source))


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("lark", CHAIN),
        ("lark", "start: " + "(" * 40_000 + '"a"' + ")" * 40_000),
        ("gbnf", "root ::= " + "(" * 40_000 + '"a"' + ")" * 40_000),
        ("gbnf", "root ::= " + '"a" | ' * 16_000 + '"b"'),
        ("regex", "(" * 40_000 + "a" + ")" * 40_000),
        ("json_schema", json.dumps({"allOf": [{"type": "integer", "multipleOf": 9973}, {"multipleOf": 9967}]})),
        ("json_schema", json.dumps(WIDE)),
    ],
    ids=["rules in a row", "brackets", "gbnf", "alternatives", "regex", "multiples", "properties"],
)
def test_hostile_ones_are_refused_soon_and_harm_nothing(
    checker: GrammarChecker, kind: ConstraintKind, source: str
) -> None:
    started = time.monotonic()
    with pytest.raises(BadRequest) as raised:
        checker.check(Constraint(kind, source))
    assert time.monotonic() - started < 2 * LIMITS.constraint_seconds + 10
    assert len(str(raised.value)) < 1000
    checker.check(Constraint("regex", "[a-z]+"))


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("regex", "(a{1,1000}){1,1000}"),
        ("lark", "start: start start | "),
        ("lark", 'start: start "a" | "b"'),
        ("json_schema", json.dumps({"enum": [f"value {n}" for n in range(3000)]})),
    ],
)
def test_what_only_looks_hostile_is_followed(checker: GrammarChecker, kind: ConstraintKind, source: str) -> None:
    checker.check(Constraint(kind, source))
