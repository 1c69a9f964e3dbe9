"""The lines between a worker and its parent, as JSON objects with an `op`."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from modules.engines.protocol import Capabilities
from modules.types.generation import Event, GenerationRequest
from modules.types.local_model import LocalModel


@dataclass(frozen=True)
class Load:
    engine: str
    model: LocalModel
    options: dict[str, Any]
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
class Tokenize:
    id: int
    text: str
    op: Literal["tokenize"] = "tokenize"


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
    capabilities: Capabilities
    op: Literal["ready"] = "ready"


@dataclass(frozen=True)
class LoadFailed:
    message: str
    op: Literal["load_failed"] = "load_failed"


@dataclass(frozen=True)
class Emitted:
    id: int
    event: Event
    op: Literal["event"] = "event"


@dataclass(frozen=True)
class Tokens:
    """`tokens` is None when it failed; `error` then says why."""

    id: int
    tokens: list[int] | None
    error: str = ""
    op: Literal["tokens"] = "tokens"


@dataclass(frozen=True)
class Pong:
    op: Literal["pong"] = "pong"


Order = Annotated[Load | Generate | Cancel | Tokenize | Ping, Field(discriminator="op")]
Answer = Annotated[Loading | Ready | LoadFailed | Emitted | Tokens | Pong, Field(discriminator="op")]

ORDER: TypeAdapter[Load | Generate | Cancel | Tokenize | Ping] = TypeAdapter(Order)
ANSWER: TypeAdapter[Loading | Ready | LoadFailed | Emitted | Tokens | Pong] = TypeAdapter(Answer)
