"""Knobs that a model would pass over are refused by name: what changes nothing unseen is worse than an error."""

import json
from typing import Any

from modules.engines.protocol import Capabilities
from modules.errors import BadRequest
from modules.types.sampling import SamplingParams


def check_knobs(knobs: SamplingParams, can: Capabilities) -> None:
    """Raises BadRequest naming a knob that asks for something in vain, or an order with a sampler that is not there."""
    for name in can.ignored_knobs:
        if asks_for_something(name, getattr(knobs, name)):
            raise BadRequest(why_ignored(name, can.runs_on), field=name)
    unknown = [name for name in knobs.samplers or () if name not in can.samplers]
    if unknown:
        raise BadRequest(
            f"This model runs on {can.runs_on}, which has no sampler called {', '.join(unknown)}. The order may name: "
            f"{', '.join(can.samplers)}.",
            field="samplers",
        )


def asks_for_something(name: str, value: Any) -> bool:
    """Not at its default, which nobody chose, nor at the value that changes nothing anyway."""
    return value not in (SamplingParams.model_fields[name].default, SamplingParams.neutral(name))


def why_ignored(name: str, runs_on: str) -> str:
    """A sentence for a request that sets this knob, and for its greyed-out control."""
    title, neutral = SamplingParams.model_fields[name].title, SamplingParams.neutral(name)
    remedy = f"Leave it at {json.dumps(neutral)}" if isinstance(neutral, int | float) else "Leave it empty"
    return (
        f"This model runs on {runs_on}, which does nothing with {name} ({title}). {remedy}, or choose a model that "
        "runs on transformers here."
    )
