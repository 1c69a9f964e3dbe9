"""One run of a model: what is asked, and the events that answer it.

The events cross the worker's pipe as JSON, so each is a frozen pydantic dataclass with a `kind`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from modules.types.sampling import SamplingParams

FinishReason = Literal["stop", "length", "tool_calls", "cancelled", "error"]
Stage = Literal["preparing", "loading", "queued", "reading"]


@dataclass(frozen=True)
class GenerationRequest:
    """What an engine is asked to do. `prompt_tokens` are the ids of `prompt`, BOS included."""

    prompt: str
    prompt_tokens: tuple[int, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: SamplingParams = SamplingParams()


@dataclass(frozen=True)
class TokenChoice:
    """A token and the natural logarithm of its probability."""

    token: str
    logprob: float
    token_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class TokenLogprob:
    """A generated token with the likeliest alternatives at its place."""

    chosen: TokenChoice
    alternatives: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Token counts of one generation. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True)
class Progress:
    """Not text yet. `fraction` is 0..1; `position` is the place in the queue, from 1."""

    stage: Stage
    fraction: float = 0.0
    position: int = 0
    note: str = ""
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True)
class TextDelta:
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class ReasoningDelta:
    text: str
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True)
class ToolCall:
    """A whole call; `arguments` is JSON text."""

    name: str
    arguments: str
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True)
class Finished:
    """The last event of a generation that did not fail. Times in seconds."""

    reason: FinishReason
    usage: Usage = Usage()
    first_token_seconds: float = 0.0
    tokens_per_second: float = 0.0
    context_length: int = 0
    dropped_messages: int = 0
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True)
class Failed:
    """The last event of a generation that failed; `error_type` names a class of `modules.errors`."""

    message: str
    error_type: str = "EngineError"
    details: str = ""
    field: str | None = None
    kind: Literal["failed"] = "failed"


Event = Annotated[Progress | TextDelta | ReasoningDelta | ToolCall | Finished | Failed, Field(discriminator="kind")]

EVENT: TypeAdapter[Progress | TextDelta | ReasoningDelta | ToolCall | Finished | Failed] = TypeAdapter(Event)
REQUEST: TypeAdapter[GenerationRequest] = TypeAdapter(GenerationRequest)

Json = dict[str, Any]
