"""What a caller may ask of a reply besides its messages."""

from dataclasses import dataclass
from typing import Literal

from modules.types.generation import AdapterUse, Constraint, ProcessorUse
from modules.types.parameters import Parameters
from modules.types.sampling import SamplingParams
from modules.types.tools import ToolUse

DEFAULT_SAMPLING = SamplingParams()


@dataclass(frozen=True)
class ReplyParams:
    """The wishes of one request.

    `overflow` says what happens to a conversation longer than the context: programs are refused, people lose
    the oldest turns. `max_tokens` None means as much as the context leaves, `adapters` None those switched on.
    With `distribution` nothing is written; see GenerationRequest. A chat that begins with a system message of its own
    is told no other.
    """

    sampling: SamplingParams = DEFAULT_SAMPLING
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    overflow: Literal["refuse", "drop_oldest"] = "refuse"
    tools: ToolUse | None = None
    constraint: Constraint | None = None
    processors: tuple[ProcessorUse, ...] = ()
    prompt_logprobs: int | None = None
    distribution: int | None = None
    adapters: tuple[AdapterUse, ...] | None = None
    system_prompt: str = ""


def reply_params(parameters: Parameters) -> ReplyParams:
    """What a person, a preset or a template has set, for one reply."""
    return ReplyParams(
        knobs_of(parameters),
        parameters.max_tokens,
        tuple(parameters.stop),
        constraint=parameters.constraint,
        system_prompt=parameters.system_prompt,
    )


def knobs_of(fields: SamplingParams) -> SamplingParams:
    """The knobs alone, of what has them among other fields."""
    return SamplingParams.model_validate({name: getattr(fields, name) for name in SamplingParams.model_fields})
