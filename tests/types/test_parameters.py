"""What is wrong with a parameter is said with its name, its limit and the value."""

from typing import Any

import pytest

from modules.errors import BadRequest
from modules.types.parameters import DEFAULTS, as_values, checked, non_defaults

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"temperature": 7}, "temperature", "Temperature can be 5 at most, and it was 7."),
    ({"temperature": True}, "temperature", "Temperature must be a number, and it was True."),
    ({"temperature": float("nan")}, "temperature", "Temperature must be a number, and it was nan."),
    ({"top_k": 1.5}, "top_k", "Top-k must be a whole number, and it was 1.5."),
    ({"top_k": None}, "top_k", "Top-k must be a whole number, and it was None."),
    ({"seed": -1}, "seed", "Seed must be at least 0, and it was -1."),
    ({"epsilon_cutoff": 1}, "epsilon_cutoff", "Epsilon cutoff must be below 1"),
    ({"stop": ["a"] * 17}, "stop", "Stop texts can have 16 entries at most"),
    ({"stop": ["a", ""]}, "stop", r"Stop texts \(1\) must not be empty, and it was ''."),
    ({"stop": ["x" * 300]}, "stop", "256 characters at most, and it was 300 characters"),
    ({"stop": ["\0"]}, "stop", "NUL"),
    ({"negative_prompt": "\ud800"}, "negative_prompt", "surrogate"),
    ({"samplers": ["magic"]}, "samplers", "must be one of 'penalties'.*and it was 'magic'"),
    ({"logit_bias": {"5": 101}}, "logit_bias", r"Logit bias \(5\) can be 100 at most, and it was 101."),
    ({"logit_bias": {"five": 1}}, "logit_bias", "token ids"),
    ({"ignore_eos": 1}, "ignore_eos", "must be true or false"),
    ({"constraint": {"kind": "yaml", "source": ""}}, "constraint", "must be one of 'json_schema'"),
    ({"constraint": {"kind": "regex", "source": "x" * 100_001}}, "constraint", "100,000 is the limit"),
    ({"temprature": 1}, "temprature", "no parameter called 'temprature'. Did you mean temperature?"),
    ({"x" * 500: 1}, "x" * 80, "no parameter called 500 characters"),
]


@pytest.mark.parametrize(("values", "field", "message"), WRONG)
def test_wrong_values_are_named(values: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        checked(values)
    assert refused.value.field == field
    assert len(str(refused.value)) < 400


def test_values_survive_json() -> None:
    values = {"temperature": 1, "stop": ["\n"], "constraint": {"kind": "regex", "source": "a+"}, "seed": 3}
    assert non_defaults(checked(values)) == values
    assert checked(as_values(checked(values))) == checked(values)
    assert non_defaults(DEFAULTS) == {}
