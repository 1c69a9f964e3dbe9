"""Templates that are filled in: kinds of variables, hostile templates and values."""

import json
import time
from typing import Any

import pytest

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.prompts.filling import render
from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.prompt_templates import PromptTemplate


def template(prompt: str = "{{ text }}", **more: Any) -> PromptTemplate:
    content = {"name": "test", "variables": [{"name": "text"}], "prompt": prompt, **more}
    return PromptTemplate.model_validate(content)


def test_a_chat_has_its_system_message_and_its_parameters() -> None:
    given = template("Read {{text}} or {{  text  }}.", system="For {{ text }}", parameters={"max_tokens": 9})
    rendered = render(given, {"text": "Moby"})
    assert rendered.messages == (Message("system", "For Moby"), Message("user", "Read Moby or Moby."))
    assert rendered.prompt == ""
    assert rendered.parameters.max_tokens == 9


def test_raw_text_is_a_prompt() -> None:
    rendered = render(template("Once {{ text }}", kind="text"), {"text": "upon"})
    assert (rendered.messages, rendered.prompt) == ((), "Once upon")


@pytest.mark.parametrize("value", ["{{ text }}", "{{ other }}", "{% for x in y %}", "{{ text", r"\1 \g<0>", "{# #}"])
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert render(template("a {{ text }} b"), {"text": value}).messages[0].content == f"a {value} b"


def test_what_is_no_place_stays_as_it_is() -> None:
    for text in ("{{ Text.__class__ }}", "{% set x = 1 %}", "{{ 7 * 7 }}", "{ text }"):
        assert render(template(text + "{{ text }}"), {"text": ""} | {"text": "x"}).messages[0].content == text + "x"


def test_a_prompt_that_would_be_huge_is_refused_before_it_is_made() -> None:
    many = template("{{ text }}" * 15_000)
    began = time.monotonic()
    with pytest.raises(BadRequest) as refused:
        render(many, {"text": "x" * LIMITS.message_chars})
    assert refused.value.field == "variables"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ({}, None, "needs it"),
        ({}, "  ", "needs it"),
        ({}, "x" * (LIMITS.message_chars + 1), f"{LIMITS.message_chars:,}"),
        ({"kind": "choice", "choices": ["a", "b"]}, "c", "a, b"),
        ({"kind": "list"}, ",,", "1 to"),
        ({"kind": "list"}, "a, b, a", "'a' is there twice"),
        ({"kind": "schema"}, "{", "no JSON"),
        ({"kind": "schema"}, "[" * 5000, "no JSON"),
        ({"kind": "schema"}, "[]", "an object"),
    ],
)
def test_a_value_that_cannot_be_used(variable: dict[str, Any], value: str | None, reason: str) -> None:
    given = template(variables=[{"name": "text", **variable}])
    with pytest.raises(BadRequest, match=reason) as refused:
        render(given, {} if value is None else {"text": value})
    assert refused.value.field == "variables.text"


def test_a_variable_that_is_not_there() -> None:
    with pytest.raises(BadRequest) as refused:
        render(template(), {"text": "a", "nonsense": "b"})
    assert refused.value.field == "variables.nonsense"


def test_a_default_may_be_empty() -> None:
    given = template("[{{ text }}]", variables=[{"name": "text", "default": ""}])
    assert render(given, {}).messages[0].content == "[]"


def test_an_empty_paragraph_is_left_out() -> None:
    given = template("one\n\n{{ text }}\n\ntwo {{ text }}.", variables=[{"name": "text", "default": ""}])
    assert render(given, {}).messages[0].content == "one\n\ntwo ."
    assert render(given, {"text": "x"}).messages[0].content == "one\n\nx\n\ntwo x."


@pytest.mark.parametrize(("value", "labels"), [("a, b,c", ("a", "b", "c")), ("a, b\n\n c \n", ("a, b", "c"))])
def test_labels_come_one_a_line_or_between_commas(value: str, labels: tuple[str, ...]) -> None:
    given = template(
        variables=[{"name": "text", "kind": "list"}],
        constraint={"kind": "choice", "variable": "text"},
        output="labels",
    )
    rendered = render(given, {"text": value})
    assert rendered.labels == labels
    assert rendered.constraint == Constraint("choice", json.dumps(labels))


def test_a_schema_stands_in_the_file_or_is_a_value() -> None:
    schema = {"type": "object", "properties": {"é": {"type": "string"}}}
    fixed = template(constraint={"kind": "json_schema", "source": schema}, output="json")
    constraint = render(fixed, {"text": "x"}).constraint
    assert constraint is not None
    assert json.loads(constraint.source) == schema
    given = template(
        "json",
        variables=[{"name": "text", "kind": "schema"}],
        constraint={"kind": "json_schema", "variable": "text"},
    )
    assert render(given, {"text": '{"type": "object"}'}).constraint == Constraint("json_schema", '{"type": "object"}')
