"""A recipe's fields as forms and flags need them, made from the declaration."""

from dataclasses import dataclass
from typing import Any, Literal

from modules.types.recipes import SIMPLE, Recipe

FieldKind = Literal["text", "integer", "number", "switch", "choice", "list", "source"]
KINDS: dict[str, FieldKind] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "switch",
    "array": "list",
}


@dataclass(frozen=True)
class RecipeField:
    """A default of None means that it is chosen for model, data and machine."""

    name: str
    kind: FieldKind
    default: Any
    description: str
    is_simple: bool
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()


def recipe_fields() -> list[RecipeField]:
    """In the order of the declaration."""
    properties: dict[str, dict[str, Any]] = Recipe.model_json_schema()["properties"]
    return [field_of(name, schema) for name, schema in properties.items()]


def field_of(name: str, schema: dict[str, Any]) -> RecipeField:
    # A field that may be left open is its own kind or null.
    value: dict[str, Any] = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    return RecipeField(
        name,
        kind_of(value),
        schema.get("default"),
        schema["description"],
        schema.get("simple", False) == SIMPLE["simple"],
        value.get("minimum", value.get("exclusiveMinimum")),
        value.get("maximum", value.get("exclusiveMaximum")),
        tuple(value.get("enum", ())),
    )


def kind_of(schema: dict[str, Any]) -> FieldKind:
    if "enum" in schema:
        return "choice"
    return KINDS[schema["type"]] if "type" in schema else "source"
