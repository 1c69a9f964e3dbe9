"""The parameters as fields of a form: made from their own declaration."""

from types import MappingProxyType
from typing import Any

from modules.types.parameters import Parameters
from modules.types.sampling import SAMPLER_ORDER, SWITCHES, shown_of
from modules.ui.actions import View

# By the declared type, where its schema does not say enough.
KINDS = MappingProxyType(
    {
        "dry_sequence_breakers": "texts",
        "stop": "texts",
        "banned_phrases": "texts",
        "banned_tokens": "ids",
        "logit_bias": "biases",
        "samplers": "order",
        "constraint": "structure",
        "negative_prompt": "text",
        "system_prompt": "text",
    }
)


def knob_fields() -> list[View]:
    """Every parameter in the order of its declaration.

    `kind` is number, whole_number, switch, text, texts, ids, biases, order or structure. `empty` says that null is a
    value too: the engine's own choice.
    """
    schema = Parameters.model_json_schema()
    properties: dict[str, dict[str, Any]] = schema["properties"]
    return [field(name, properties[name]) for name in Parameters.model_fields]


def field(name: str, schema: dict[str, Any]) -> View:
    declared = shown_of(Parameters, name)
    choices: list[dict[str, Any]] = schema.get("anyOf", [schema])
    main = choices[0]
    view: View = {
        "name": name,
        "title": schema["title"],
        "help": schema["description"],
        "source": declared["source"],
        "group": declared["group"],
        "simple": declared["simple"],
        "kind": KINDS.get(name) or {"number": "number", "integer": "whole_number", "boolean": "switch"}[main["type"]],
        "default": schema["default"],
        "neutral": declared["neutral"],
        "empty": any(choice.get("type") == "null" for choice in choices),
    }
    if view["kind"] in {"number", "whole_number"}:
        maximum = main.get("maximum", main.get("exclusiveMaximum"))
        view |= {"minimum": main.get("minimum"), "maximum": maximum, "step": declared["step"]}
    if view["kind"] == "order":
        view["names"] = list(SAMPLER_ORDER)
        # A model that has none of a sampler's knobs does not have the sampler.
        view["switches"] = {name: list(SWITCHES[name]) for name in SAMPLER_ORDER}
    if limit := main.get("maxLength", main.get("maxItems")):
        view["limit"] = limit
    return view
