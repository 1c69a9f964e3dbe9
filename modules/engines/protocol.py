"""What an engine is: one loaded model inside its worker process."""

from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from modules.types.embeddings import Embeddings
from modules.types.estimates import MemoryEstimate, TokenCost
from modules.types.generation import ConstraintKind, Event, FillTokens, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.machine import Machine
from modules.types.sampling import SAMPLER_ORDER, SamplerName

Emit = Callable[[Event], None]
Report = Callable[[float, str], None]

# Marks an option that only a flag at the start may set; the word is JSON Schema's own, so that forms leave it alone.
START_ONLY: dict[str, Any] = {"readOnly": True}
# Marks an option that few people need; forms show it on request.
ADVANCED: dict[str, Any] = {"advanced": True}
# Marks an option that changes nothing without a graphics card; forms leave it out where there is none.
GPU_ONLY: dict[str, Any] = {"gpu": True}


class EngineOptions(BaseModel):
    """What a model of any engine can be loaded with. 0 (or -1 where said) lets the program choose for this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chat_template: str = Field(
        default="", max_length=120, description="Name of a chat template instead of the model's own."
    )

    @classmethod
    def is_start_only(cls, name: str) -> bool:
        return cls.model_fields[name].json_schema_extra == START_ONLY


@dataclass(frozen=True)
class Capabilities:
    """What a loaded model can do. `bos_token_id` is None where prompts begin without one.

    One that `renders_chat` takes messages and texts as they are and counts for itself, also the texts it embeds; its
    `context_length` may be 0, unknown.

    One that has `fill_tokens` can write between two stretches of text. A model that does not generate only embeds.
    `embedding_frame` are the ids before and after a text to embed.
    One with `adapters_as_gguf` takes GGUF files instead of folders, and loads itself anew with each.
    `ignored_knobs` are those that would change nothing, and `samplers` those that an order may name: a request that
    asks for others is refused, in the name of what `runs_on` says.
    """

    context_length: int
    slots: int
    chat_template: str = ""
    bos_token: str = ""
    eos_token: str = ""
    bos_token_id: int | None = None
    renders_chat: bool = False
    tool_calls: bool = False
    logprobs: bool = False
    prompt_logprobs: bool = False
    generates: bool = True
    embeds: bool = False
    embedding_frame: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    adapters: bool = False
    adapters_as_gguf: bool = False
    logits_processors: bool = False
    constraints: tuple[ConstraintKind, ...] = ()
    distribution: bool = False
    fill_tokens: FillTokens | None = None
    ignored_knobs: tuple[str, ...] = ()
    samplers: tuple[SamplerName, ...] = SAMPLER_ORDER
    runs_on: str = "this engine"
    notes: tuple[str, ...] = ()


CAPABILITIES: TypeAdapter[Capabilities] = TypeAdapter(Capabilities)


class Engine(Protocol):
    """Synchronous; `generate` and `tokenize` are called from several threads at once."""

    capabilities: Capabilities

    def tokenize(self, text: str) -> list[int]:
        """The ids of `text`, special tokens recognised, nothing added."""
        ...

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        """The same ids, each with its bytes in hexadecimal; a character may be spread over several.

        Raises BadRequest where nobody can tell.
        """
        ...

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        """Emit text as it is made, then exactly one Finished; raise a ParlorError otherwise.

        Emitting instead of yielding lets a binding's own callback deliver without one more thread and queue.
        Returns within about one step after `cancelled` is set, also while it reads the prompt.
        """
        ...

    def close(self) -> None: ...


class AdaptableEngine(Engine, Protocol):
    """An engine whose capabilities say that it takes adapters. Any thread may call."""

    def load_adapter(self, name: str, path: str) -> int:
        """Under this name, in the place of one that had it; returns the bytes of memory it takes.

        `path` is a folder as peft saves it, or a GGUF file where the capabilities say so.
        Raises BadRequest when it cannot be used with this model, Busy while a request uses the one of that name.
        """
        ...

    def unload_adapter(self, name: str) -> None:
        """Raises BadRequest for an unknown name, Busy while a request uses it."""
        ...


class Embeds(Protocol):
    """What an engine with that capability has besides."""

    def embed(self, texts: Sequence[Sequence[int]]) -> list[str]:
        """A vector of each text, in base64 as `Embeddings` has them.

        The texts are ids, frame included, none of them empty or longer than the context. It answers fastest when texts
        of similar length stand side by side. Raises BadRequest for an id that the model does not know.
        """
        ...


class RendersChat(Protocol):
    """What an engine with that capability has besides; `embed_texts` where it embeds, instead of `embed`."""

    def tokenize_chat(self, messages: list[dict[str, str]]) -> list[int]:
        """The ids of a chat as it is rendered; each message has a `role` and a `content`.

        Raises BadRequest where nobody can tell.
        """
        ...

    def embed_texts(self, inputs: list[str | list[int]]) -> Embeddings:
        """A vector of each text or list of ids. Raises BadRequest for one that is too long."""
        ...


class EngineKind(NamedTuple):
    """How an engine is found and loaded. `load` runs in the worker and imports the heavy libraries.

    `estimate` tells beforehand, from the model's header alone, what memory a load with these options takes, and
    `token_cost` what its speed depends on; it is None where nobody can know. `prepare` imports what every load of this
    engine needs: a worker that has done no more is an empty one, and takes about `worker_bytes` of memory.
    `ignored_knobs` and `samplers` are what is known of its capabilities of that name before a model is loaded.
    """

    name: str
    formats: tuple[str, ...]
    options: type[EngineOptions]
    load: Callable[[LocalModel, Any, Report], Engine]
    estimate: Callable[[LocalModel, Any, Machine], MemoryEstimate]
    token_cost: Callable[[LocalModel, Any], TokenCost] | None = None
    prepare: Callable[[], None] = lambda: None
    worker_bytes: int = 32 * 2**20
    ignored_knobs: frozenset[str] = frozenset()
    samplers: tuple[SamplerName, ...] = SAMPLER_ORDER
