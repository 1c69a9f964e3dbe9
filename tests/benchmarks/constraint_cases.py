"""Constraints of every kind whose texts are of finite length, each with an independent judge of a text."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from modules.types.generation import Constraint, ConstraintKind

Judge = Callable[[str], str]
TEXT = {"type": "string", "maxLength": 12}
POINT = {"type": "object", "properties": {"x": {"type": "integer", "minimum": -9, "maximum": 99}, "y": {"enum": [1, 2, 3]}}, "required": ["x", "y"], "additionalProperties": False}  # fmt: skip
NUMBER = {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01}
# None of them lets a text go on for ever: numbers have bounds, strings and lists the longest they may be.
BASIC: dict[str, dict[str, Any]] = {
    "text": TEXT,
    "empty text": {"type": "string", "maxLength": 0},
    "exact text": {"type": "string", "minLength": 5, "maxLength": 5},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
    "pattern and length": {"type": "string", "pattern": "^a+b*$", "minLength": 3, "maxLength": 9},
    "date": {"type": "string", "format": "date"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "uuid": {"type": "string", "format": "uuid"},
    "integer": {"type": "integer", "minimum": -17, "maximum": 4321},
    "exclusive": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
    "multiple": {"type": "integer", "minimum": 0, "maximum": 1000, "multipleOf": 7},
    "share": NUMBER,
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "enum": {"enum": ["red", "green", "blue", 7, None, True]},
    "unicode enum": {"enum": ["日本語", "Übergröße", "שלום", "😀 ok", 'quote " and \\', "tab\there"]},
    "const": {"const": {"version": 2, "tags": ["a", "b"], "deep": {"x": None}}},
    "point": POINT,
    "optional": {"type": "object", "properties": {"a": TEXT, "b": {"type": "boolean"}, "c": {"type": "null"}}, "additionalProperties": False},
    "required last": {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}}, "required": ["b"], "additionalProperties": False},
    "unicode names": {"type": "object", "properties": {"größe": {"type": "integer", "minimum": 0, "maximum": 9}, "名前": TEXT}, "required": ["größe", "名前"], "additionalProperties": False},
    "list": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 4},
    "no list": {"type": "array", "maxItems": 0},
    "tuple": {"type": "array", "prefixItems": [{"type": "boolean"}, TEXT, {"type": "null"}], "items": False, "minItems": 3},
    "any": {"anyOf": [POINT, {"type": "null"}, {"enum": ["none"]}]},
    "one": {"oneOf": [{"type": "integer", "minimum": 1, "maximum": 5}, TEXT]},
    "all": {"allOf": [{"type": "integer", "maximum": 50}, {"minimum": 40}]},
    "types": {"type": ["boolean", "null"]},
    "reference": {"$defs": {"p": POINT}, "type": "array", "items": {"$ref": "#/$defs/p"}, "minItems": 1, "maxItems": 2},
    "nested": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": POINT}, "required": ["c"], "additionalProperties": False}}, "required": ["b"], "additionalProperties": False}}, "required": ["a"], "additionalProperties": False},
}  # fmt: skip
PATTERNS = [
    r"[a-z]{1,20}",
    r"(yes|no|maybe), (I|you) (do|will)\.",
    r"\d{3}-\d{4}",
    r"[A-Z][a-z]{2,10}( [A-Z][a-z]{2,10}){1,3}",
    r"(\(\d{1,3}\) ){1,4}",
    r"[äöüß]{2,5}|[あ-ん]{2,6}",
    r"<b>[^<>]{0,15}</b>",
    r"(a|b)*c{1,3}".replace("*", "{0,12}"),
    r"0x[0-9a-f]{8}",
    r"[01]\d:[0-5]\d( (am|pm))?",
]
CHOICES = [
    ["positive", "negative", "neutral"],
    ["a", "ab", "abc", "abcd"],
    ["日本", "中国", "한국"],
    [" leading", "trailing ", "in side"],
    ["<|im_end|>", "<b>", "{}"],
    ["line\nbreak", "tab\t", 'quote"'],
]
GRAMMARS: list[tuple[ConstraintKind, str, str]] = [
    ("gbnf", 'root ::= ("red" | "green") " " [0-9] [0-9]?', r"(red|green) [0-9][0-9]?"),
    ("gbnf", 'root ::= item item?\nitem ::= "- " [a-z]{1,8} "\\n"', r"(- [a-z]{1,8}\n){1,2}"),
    ("gbnf", 'root ::= "(" expr ")"\nexpr ::= [0-9]{1,2} ("+" [0-9]{1,2}){0,3}', r"\([0-9]{1,2}(\+[0-9]{1,2}){0,3}\)"),
    ("gbnf", 'root ::= [^"\\n]{1,12} "!"', r"[^\"\n]{1,12}!"),
    ("lark", 'start: "move " DIR " by " NUM\nDIR: /(up|down)/\nNUM: /[0-9]{1,3}/', r"move (up|down) by [0-9]{1,3}"),
    ("lark", "start: pair{1,3}\npair: KEY \"=\" VALUE \";\"\nKEY: /[a-z]{1,5}/\nVALUE: /[0-9]{1,4}/", r"([a-z]{1,5}=[0-9]{1,4};){1,3}"),
    ("lark", 'start: "a" start2\nstart2: "b" | "c" "d"', r"a(b|cd)"),
    ("lark", 'start: WORD ("," WORD){0,4}\nWORD: /[a-zéè]{2,9}/', r"[a-zéè]{2,9}(,[a-zéè]{2,9}){0,4}"),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`judge` tells what is wrong with a text; nothing when it is right."""

    name: str
    constraint: Constraint
    judge: Judge


def all_cases() -> list[Case]:
    """Schemas stand alone, in a list and in an object."""
    cases = [schema_case(name, schema) for name, schema in BASIC.items()]
    for name, schema in BASIC.items():
        shared = {"$defs": schema["$defs"]} if "$defs" in schema else {}
        inner = {key: value for key, value in schema.items() if key != "$defs"}
        cases.append(schema_case(f"list of {name}", {**shared, "type": "array", "items": inner, "maxItems": 2}))
        properties = {"kind": {"const": name}, "value": inner}
        whole = {"type": "object", "properties": properties, "required": ["kind", "value"]}
        cases.append(schema_case(f"{name} in an object", {**shared, **whole, "additionalProperties": False}))
    cases += [Case(f"regex {one}", Constraint("regex", one), matches(one)) for one in PATTERNS]
    cases += [Case(f"choice {one[0]}", Constraint("choice", json.dumps(one)), is_one_of(one)) for one in CHOICES]
    return cases + [Case(f"{kind} {source[:30]}", Constraint(kind, source), matches(regex)) for kind, source, regex in GRAMMARS]  # fmt: skip


def schema_case(name: str, schema: dict[str, Any]) -> Case:
    validator: Any = Draft202012Validator(schema, format_checker=FormatChecker())

    def judge(text: str) -> str:
        try:
            errors = list(validator.iter_errors(json.loads(text)))
        except ValueError as error:
            return f"no JSON: {error}"
        # 0.07 is no whole multiple of 0.01 in binary; what counts is how it is written.
        return "; ".join(str(one.message) for one in errors if not is_rounding(one))

    return Case(name, Constraint("json_schema", json.dumps(schema)), judge)


def is_rounding(error: Any) -> bool:
    if error.validator != "multipleOf":
        return False
    parts = error.instance / error.validator_value
    return abs(parts - round(parts)) < 1e-9


def matches(pattern: str) -> Judge:
    return lambda text: "" if re.fullmatch(pattern, text) else "no match"


def is_one_of(texts: list[str]) -> Judge:
    return lambda text: "" if text in texts else "none of the choices"
