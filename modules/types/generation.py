"""One run of a model: what is asked, and the events that answer it.

The events cross the worker's pipe as JSON, so each is a frozen pydantic dataclass with a `kind`.
"""

from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import Field
from pydantic.dataclasses import dataclass

from modules import errors
from modules.errors import BadRequest, ContextOverflow, ModelError, NotFound, ParlorError
from modules.limits import LIMITS
from modules.types.call_formats import HERMES
from modules.types.extension_source import ExtensionSource
from modules.types.messages import Message
from modules.types.sampling import SamplingParams
from modules.types.tools import CallChanged, ToolCall, ToolUse

FinishReason = Literal["stop", "length", "tool_calls", "cancelled", "error"]
ConstraintKind = Literal["json_schema", "regex", "choice", "gbnf", "lark"]
# The ids before a prefix, before a suffix, and before what a model writes between the two.
FillTokens = tuple[int, int, int]
# As many tokens as the context leaves, for an engine that knows better than we how many that are.
AS_MANY_AS_FIT = LIMITS.context_tokens
Stage = Literal["preparing", "loading", "queued", "reading", "command"]


@dataclass(frozen=True)
class Constraint:
    """What the text must match. `source` is a JSON schema, a regular expression, a grammar, or a JSON list of texts.

    `marks` are texts that a Lark grammar names `mark_0`, `mark_1` and so on: where the model has one as a token of its
    own, that token is meant, and it shows in the text although it may be a control token.
    """

    kind: ConstraintKind
    source: str
    marks: tuple[str, ...] = Field(default=(), exclude_if=lambda marks: not marks)


@dataclass(frozen=True)
class AdapterUse:
    """A loaded adapter and how strongly it counts; 1 is what it was trained for."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class ProcessorUse:
    """A logits processor by import path, `package.module:name`, and what it is made with.

    One of an extension says where that is; when it fails it is left out, and the reply goes on.
    """

    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    source: ExtensionSource | None = None


@dataclass(frozen=True)
class GenerationRequest:
    """What an engine is asked to do. `prompt_tokens` are the ids of `prompt`, BOS included.

    `adapters` are all that count for it: those switched on are named too. `prompt_logprobs` is how many alternatives to
    report at each place of the prompt; None reports nothing. With `distribution` nothing is written: a Distribution
    tells that many of the likeliest next tokens after each sampler.

    An engine that renders chats gets `messages` instead of a prompt, or a prompt as text without its ids. It counts for
    itself, so `drop_oldest` tells it what to do with messages that do not fit.

    `tools` are those that the model may call; engines that neither render chats nor call by themselves get a constraint
    for it besides, and write calls as text, in the form that is named `call_format`.

    With `keep_tags` the text is not a reply, and reasoning is not told apart in it.
    """

    prompt: str
    prompt_tokens: tuple[int, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: SamplingParams = SamplingParams()
    constraint: Constraint | None = None
    adapters: tuple[AdapterUse, ...] = ()
    processors: tuple[ProcessorUse, ...] = ()
    prompt_logprobs: int | None = None
    distribution: int | None = None
    messages: tuple[Message, ...] | None = None
    tools: ToolUse | None = None
    call_format: str = HERMES.name
    drop_oldest: bool = False
    keep_tags: bool = False


@dataclass(frozen=True)
class TokenChoice:
    """A token and the natural logarithm of its probability; None for a prompt's first, which follows nothing.

    `id` is -1 where an engine does not tell.
    """

    token: str
    logprob: float | None
    token_bytes: tuple[int, ...] = ()
    id: int = -1


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
class PromptLogprobs:
    """Of prompt tokens in order, in one or several events."""

    logprobs: tuple[TokenLogprob, ...]
    kind: Literal["prompt_logprobs"] = "prompt_logprobs"


@dataclass(frozen=True)
class SamplerStep:
    """The distribution of the next token after the sampler `name`, normalised; "model" is the model's own.

    `tokens` are the likeliest with their logarithms, `kept` is how many have any probability.
    """

    name: str
    kept: int
    tokens: tuple[TokenChoice, ...]


@dataclass(frozen=True)
class Distribution:
    """How the next token would be chosen, sampler by sampler in their order; the last step is what is drawn from."""

    steps: tuple[SamplerStep, ...]
    kind: Literal["distribution"] = "distribution"


@dataclass(frozen=True)
class ReasoningDelta:
    text: str
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True)
class Replaced:
    """The whole text so far as it is kept and shown from now on, instead of what was written."""

    text: str
    kind: Literal["replaced"] = "replaced"


@dataclass(frozen=True)
class Note:
    """A sentence about a reply, for its reader. `fault_of` is the extension that failed in it, if one did."""

    text: str
    fault_of: str = ""


@dataclass(frozen=True)
class Finished:
    """The last event of a generation that did not fail. Times in seconds."""

    reason: FinishReason
    usage: Usage = Usage()
    first_token_seconds: float = 0.0
    tokens_per_second: float = 0.0
    context_length: int = 0
    dropped_messages: int = 0
    notes: tuple[Note, ...] = ()
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True)
class Failed:
    """The last event of a generation that failed; `error_type` names a class of `modules.errors`."""

    message: str
    error_type: str = "EngineError"
    details: str = ""
    field: str | None = None
    kind: Literal["failed"] = "failed"

    @classmethod
    def of(cls, error: Exception) -> Self:
        """What a reader learns of an error, ours or a surprise."""
        if not isinstance(error, ParlorError):
            return cls(f"Unexpected: {error!r}")
        field = error.field if isinstance(error, BadRequest | NotFound) else None
        details = error.details if isinstance(error, ModelError) else ""
        return cls(str(error), type(error).__name__, details, field)

    def error(self) -> ParlorError:
        """The error it was; of its class, what a status and a client need."""
        if self.error_type == ContextOverflow.__name__:
            return BadRequest(self.message, self.field, ContextOverflow.code)
        kind: type[ParlorError] = getattr(errors, self.error_type)
        return kind(self.message, self.field) if issubclass(kind, BadRequest | NotFound) else kind(self.message)


AnyEvent = (
    Progress
    | PromptLogprobs
    | Distribution
    | TextDelta
    | ReasoningDelta
    | ToolCall
    | CallChanged
    | Replaced
    | Finished
    | Failed
)
Event = Annotated[AnyEvent, Field(discriminator="kind")]
