"""JSON schemas before they become grammars: what cannot be honoured is refused by name and place, never passed over."""

from collections.abc import Iterator
from typing import Any, cast

from modules.errors import BadRequest
from modules.limits import LIMITS

FIELD = "response_format"
# Where schemas stand inside a schema: as the keyword's value, in a list, or by name.
ONE = frozenset({"items", "additionalProperties", "additionalItems"})
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
KEYWORDS = frozenset(
    {
        *(ONE | LISTS | NAMED),
        *("type", "enum", "const", "$ref", "required", "minProperties", "maxProperties", "minItems", "maxItems"),
        *("minLength", "maxLength", "pattern", "format"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        # What only describes.
        *("$schema", "$id", "$anchor", "$comment", "title", "description", "default", "examples", "example"),
        *("deprecated", "readOnly", "writeOnly"),
    }
)
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"})
# A small model may write line breaks for ever where the grammar lets it.
COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
# A state per remainder: larger numbers take seconds a token and gigabytes.
LARGEST_DIVISOR = 10_000


def check_schema(schema: Any) -> None:
    """Raises BadRequest with the JSON pointer of the first part that goes beyond what is supported."""
    for count, (pointer, part, depth) in enumerate(parts(schema), 1):
        if count > LIMITS.schema_parts:
            raise BadRequest(f"The JSON schema has more than {LIMITS.schema_parts:,} parts, which is the limit.", FIELD)
        if depth > LIMITS.schema_depth:
            raise BadRequest(
                f"The JSON schema is nested deeper than {LIMITS.schema_depth} levels, the limit, at {pointer}.",
                FIELD,
            )
        if fault := fault_of_part(part):
            raise BadRequest(f"The JSON schema {fault}, at {pointer}.", FIELD)


def compact(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what llguidance needs to write JSON without needless blanks. Raises as `check_schema`."""
    check_schema(schema)
    return {**schema, "x-guidance": COMPACT}


def parts(schema: Any, pointer: str = "#", depth: int = 0) -> Iterator[tuple[str, Any, int]]:
    """Each schema within a schema, itself first: (its JSON pointer, it, how deep it lies)."""
    yield pointer, schema, depth
    if not isinstance(schema, dict) or depth > LIMITS.schema_depth:
        return
    for key, value in cast("dict[str, Any]", schema).items():
        place = f"{pointer}/{escaped(key)}"
        if key in NAMED and isinstance(value, dict):
            for name, one in cast("dict[str, Any]", value).items():
                yield from parts(one, f"{place}/{escaped(name)}", depth + 1)
        elif key in LISTS and isinstance(value, list):
            for number, one in enumerate(cast("list[Any]", value)):
                yield from parts(one, f"{place}/{number}", depth + 1)
        elif key in ONE:
            yield from parts(value, place, depth + 1)


def fault_of_part(part: Any) -> str:
    """What is wrong with one schema, without those inside it; empty when nothing is."""
    if isinstance(part, bool):
        return ""
    if not isinstance(part, dict):
        return "has something else than a schema"
    schema = cast("dict[str, Any]", part)
    if unknown := [key for key in schema if key not in KEYWORDS]:
        return f"uses {unknown[0][:80]!r}, which replies cannot be held to; leave it out or say it with other keywords"
    reference = schema.get("$ref", "#")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return "refers to another document, and none is ever fetched; put its definitions under $defs"
    if "format" in schema and schema["format"] not in FORMATS:
        return f"uses the format {str(schema['format'])[:80]!r}; {', '.join(sorted(FORMATS))} are supported"
    divisor = schema.get("multipleOf", 1)
    if isinstance(divisor, int | float) and not 0 < scaled(divisor) <= LARGEST_DIVISOR:
        return f"has a multipleOf whose digits go beyond {LARGEST_DIVISOR:,}, which is the limit"
    return ""


def scaled(divisor: float) -> float:
    """Its digits as a whole number, without the decimal point."""
    digits = f"{divisor:f}".rstrip("0").rstrip(".") if isinstance(divisor, float) else str(divisor)
    return float(digits.replace(".", ""))


def escaped(name: str) -> str:
    """As a step of a JSON pointer."""
    return name[:80].replace("~", "~0").replace("/", "~1")
