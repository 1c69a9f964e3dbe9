"""The knob reference page, made from the declarations: `python -m modules.services.knob_reference` writes it."""

import json
from collections.abc import Iterable
from typing import Any, get_args

from modules.engines.registry import ENGINES
from modules.engines.remote.knobs import IGNORED, TITLES
from modules.paths import PROJECT
from modules.types.parameters import Parameters
from modules.types.sampling import SAMPLER_ORDER, SWITCHES, KnobGroup, shown_of

PAGE = PROJECT / "presets" / "knobs.md"
HEAD = """# The knobs

What can be set for a reply: in the page, in presets, and by the same names in the bodies of the API. This page is
written from the declarations in `modules/types/` by `python -m modules.services.knob_reference`; change them, not it.

At its neutral value a knob changes nothing. A request that sets one which the model's engine would pass over is refused
by name. `llama.cpp` and `transformers` are the two engines of this program; the last column names the servers elsewhere
that take the knob: "OpenAI" is any server that says nothing else of itself, and another Parlor refuses for itself.
"""
GROUPS: dict[KnobGroup, str] = {
    "temperature": "Temperature: how even the distribution is",
    "truncation": "Truncation: which tokens are dropped",
    "repetition": "Repetition: what came before",
    "steering": "Steering: the text as a whole, and the order",
    "text": "Text: tokens, beginning and end",
}
COLUMNS = (
    "name",
    "title",
    "default",
    "neutral",
    "range",
    "step",
    "what it does",
    "source",
    "llama.cpp",
    "transformers",
    "servers",
)


def page() -> str:
    parts = [HEAD, *(group_table(group) for group in get_args(KnobGroup)), order_table()]
    return "\n".join(parts)


def group_table(group: KnobGroup) -> str:
    schema = Parameters.model_json_schema()["properties"]
    names = [name for name in Parameters.model_fields if shown_of(Parameters, name)["group"] == group]
    rows = [knob_row(name, schema[name]) for name in names]
    return f"## {GROUPS[group]}\n\n{table(COLUMNS, rows)}"


def knob_row(name: str, schema: dict[str, Any]) -> list[str]:
    declared, shown = Parameters.model_fields[name], shown_of(Parameters, name)
    return [
        f"`{name}`",
        declared.title or "",
        literal(declared.default),
        literal(shown["neutral"]),
        value_range(schema),
        "" if shown["step"] is None else str(shown["step"]),
        declared.description or "",
        shown["source"],
        *(yes(name not in kind.ignored_knobs) for kind in ENGINES if kind.name in {"llamacpp", "transformers"}),
        ", ".join(short(TITLES[kind]) for kind, ignored in IGNORED.items() if name not in ignored),
    ]


def order_table() -> str:
    known = {kind.name: kind.samplers for kind in ENGINES}
    rows = [
        [
            f"`{name}`",
            ", ".join(f"`{knob}`" for knob in SWITCHES[name]),
            yes(name in known["llamacpp"]),
            yes(name in known["transformers"]),
        ]
        for name in SAMPLER_ORDER
    ]
    columns = ("sampler", "acts where one of these is not neutral", "llama.cpp", "transformers")
    return f"## The samplers, in their usual order\n\n{table(columns, rows)}"


def value_range(schema: dict[str, Any]) -> str:
    """In words, from the JSON schema of a field; optional ones have theirs in one of several."""
    for part in [schema, *schema.get("anyOf", [])]:
        low, high = part.get("minimum"), part.get("maximum", part.get("exclusiveMaximum"))
        if low is not None and high is not None:
            return f"{low:g} to {'below ' if 'exclusiveMaximum' in part else ''}{high:,}"
        for key, words in (("maxItems", "entries"), ("maxProperties", "entries"), ("maxLength", "characters")):
            if key in part:
                return f"up to {part[key]:,} {words}"
    return "on or off" if schema.get("type") == "boolean" else ""


def literal(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def yes(there: bool) -> str:
    return "yes" if there else "no"


def short(title: str) -> str:
    return {"an OpenAI-compatible server": "OpenAI", "another Parlor": "Parlor"}.get(title, title)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
