"""What a person sets for replies: system prompt, knobs, how long a reply may be, where it stops, what it must match."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.faults import fault_of, fault_of_text, shown
from modules.types.generation import Constraint
from modules.types.sampling import SamplingParams, ShortText, knob


def constraint_of(stored: Any) -> Any:
    """From YAML and JSON a constraint comes as a mapping."""
    return CONSTRAINT.validate_python(stored) if isinstance(stored, dict) else stored


CONSTRAINT: TypeAdapter[Constraint] = TypeAdapter(Constraint)
StoredConstraint = Annotated[Constraint, BeforeValidator(constraint_of)]


class Parameters(SamplingParams):
    """What presets hold, and each scope of settings; see `services/parameters.py`."""

    system_prompt: str = knob(
        "", "What the model is told before every chat: who it is, how it answers. Free text goes on without it.",
        title="System prompt", group="text", simple=True, max_length=LIMITS.constraint_chars,
    )  # fmt: skip
    max_tokens: Annotated[int, Field(ge=1, le=LIMITS.context_tokens)] | None = knob(
        None, "The longest reply in tokens; empty is as long as the context leaves room.",
        title="Longest reply", group="text", simple=True, step=1,
    )  # fmt: skip
    stop: list[ShortText] = knob(
        [],
        "Texts at which a reply ends, without them.",
        title="Stop texts",
        group="text",
        max_length=LIMITS.stop_strings,
    )
    constraint: StoredConstraint | None = knob(
        None, "What a reply must match: a JSON schema, regular expression, list of choices, GBNF or Lark grammar.",
        title="Structure", group="text",
    )  # fmt: skip

    @field_validator("*")
    @classmethod
    def texts_are_characters(cls, value: Any) -> Any:
        for text in texts_in(value):
            if fault := fault_of_text(text):
                raise ValueError(fault)
        return value

    @field_validator("constraint")
    @classmethod
    def constraint_is_bounded(cls, constraint: Constraint | None) -> Constraint | None:
        if constraint is not None and len(constraint.source) > LIMITS.constraint_chars:
            raise ValueError(
                f"its source has {len(constraint.source):,} characters, and {LIMITS.constraint_chars:,} is the limit"
            )
        return constraint


DEFAULTS = Parameters()


def checked(values: Mapping[str, Any]) -> Parameters:
    """The parameters with these values and defaults for the rest.

    Raises BadRequest naming the field, its limit and the value.
    """
    for name in values:
        if name not in Parameters.model_fields:
            near = get_close_matches(name, Parameters.model_fields, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise BadRequest(f"There is no parameter called {shown(name)}.{hint}", field=name[:80])
    try:
        return Parameters.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name, *inside = (str(part) for part in first["loc"])
        place = f" ({'.'.join(inside)})" if inside else ""
        title = Parameters.model_fields[name].title
        raise BadRequest(f"{title}{place} {fault_of(first)}, and it was {shown(first['input'])}.", name) from error


def as_values(parameters: Parameters) -> dict[str, Any]:
    """All of them by name, as JSON holds them."""
    return parameters.model_dump(mode="json")


def texts_in(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for one in cast("list[Any]", value) for text in texts_in(one)]
        case Constraint():
            return [value.source]
        case _:
            return []


def non_defaults(parameters: Parameters) -> dict[str, Any]:
    """Those that differ from the defaults."""
    usual = as_values(DEFAULTS)
    return {name: value for name, value in as_values(parameters).items() if value != usual[name]}
