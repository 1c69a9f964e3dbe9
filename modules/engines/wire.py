"""The lines between a worker and its parent, as JSON objects with an `op`."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from modules.engines.protocol import Capabilities
from modules.errors import ModelCause
from modules.types.extension_source import ExtensionSource
from modules.types.generation import Event, Failed, GenerationRequest
from modules.types.local_model import LocalModel

Method = Literal["tokenize", "tokenize_chat", "token_pieces", "embed", "embed_texts", "load_adapter", "unload_adapter"]


@dataclass(frozen=True)
class Load:
    """`source` is the extension that brings the engine, where one does."""

    engine: str
    model: LocalModel
    options: dict[str, Any]
    source: ExtensionSource | None = None
    op: Literal["load"] = "load"


@dataclass(frozen=True)
class Generate:
    id: int
    request: GenerationRequest
    op: Literal["generate"] = "generate"


@dataclass(frozen=True)
class Cancel:
    id: int
    op: Literal["cancel"] = "cancel"


@dataclass(frozen=True)
class Call:
    """A question to the engine that has one answer; `arguments` are JSON, as the method of that name takes them."""

    id: int
    method: Method
    arguments: list[Any]
    op: Literal["call"] = "call"


@dataclass(frozen=True)
class Ping:
    op: Literal["ping"] = "ping"


@dataclass(frozen=True)
class Loading:
    fraction: float
    note: str
    op: Literal["loading"] = "loading"


@dataclass(frozen=True)
class Ready:
    """`empty_bytes` is what the worker took before it began to load the model."""

    capabilities: Capabilities
    empty_bytes: int = 0
    op: Literal["ready"] = "ready"


@dataclass(frozen=True)
class LoadFailed:
    message: str
    cause: ModelCause = "unknown"
    op: Literal["load_failed"] = "load_failed"


@dataclass(frozen=True)
class Emitted:
    id: int
    event: Event
    op: Literal["event"] = "event"


@dataclass(frozen=True)
class Returned:
    """A call's answer, or why there is none."""

    id: int
    value: Any = None
    failure: Failed | None = None
    op: Literal["returned"] = "returned"


@dataclass(frozen=True)
class Pong:
    op: Literal["pong"] = "pong"


Order = Annotated[Load | Generate | Cancel | Call | Ping, Field(discriminator="op")]
Answer = Annotated[Loading | Ready | LoadFailed | Emitted | Returned | Pong, Field(discriminator="op")]

ORDER: TypeAdapter[Load | Generate | Cancel | Call | Ping] = TypeAdapter(Order)
ANSWER: TypeAdapter[Loading | Ready | LoadFailed | Emitted | Returned | Pong] = TypeAdapter(Answer)
