"""What a person sets for replies: the knobs, and how long a reply may be, where it stops, what it must match."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from modules.limits import LIMITS
from modules.types.generation import Constraint
from modules.types.sampling import SamplingParams, ShortText, knob


def constraint_of(stored: Any) -> Any:
    """From YAML and JSON a constraint comes as a mapping."""
    return CONSTRAINT.validate_python(stored) if isinstance(stored, dict) else stored


CONSTRAINT: TypeAdapter[Constraint] = TypeAdapter(Constraint)
StoredConstraint = Annotated[Constraint, BeforeValidator(constraint_of)]


class Parameters(SamplingParams):
    """What presets hold, and each scope of settings; see `services/parameters.py`."""

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
