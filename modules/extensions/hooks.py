"""Every hook an extension may have, with its contract. All are optional: write those you need, marked `@hook`.

Hooks are functions of the entry module. They are called in the order in which extensions were enabled; filters each
get what the one before gave. A hook that raises, takes too long or returns something else is left out of that reply,
and the extension's card says so; after three such faults it is not called until the extension is enabled anew.

Filters and hooks that give something have a second, a transformer's `feed` and `end` a quarter of one, observers ten.
Time in which the program answers a filter through its host is not counted; a transformer should not ask it anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pluggy
from pydantic import BaseModel

from modules.engines.protocol import EngineKind
from modules.extensions.contracts import (
    Command,
    DocumentReader,
    EmbeddingModel,
    ExtensionHost,
    LogitsProcessor,
    Panel,
    RequestContext,
    Route,
    StreamTransformer,
    Tab,
    Tool,
)
from modules.types.jobs import Job
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

PROJECT_NAME = "parlor"
spec = pluggy.HookspecMarker(PROJECT_NAME)
hook = pluggy.HookimplMarker(PROJECT_NAME)


class Hooks(Protocol):
    """The signatures. Arguments may be left out where they are not needed, never renamed."""

    @spec
    def filter_messages(self, messages: tuple[Message, ...], context: RequestContext) -> tuple[Message, ...]:
        """What the model is told: the whole conversation in and out, last a reply that goes on. Nothing is saved."""
        ...

    @spec
    def filter_prompt(self, prompt: str, context: RequestContext) -> str:
        """The text the model reads, after the chat template; not asked where a server renders it."""
        ...

    @spec
    def filter_request(self, params: ReplyParams, context: RequestContext) -> ReplyParams:
        """Knobs, length, stops and structure of one reply."""
        ...

    @spec
    def filter_reply(self, text: str, context: RequestContext) -> str:
        """The finished reply as it is kept and shown; what a program has read of a stream stays as it was.

        A reply that calls tools comes in rounds, each asked by itself: what stands before a call, at last the answer;
        the model goes on from what was made of it. Not asked of an empty text, nor in the notebook, where what was
        written has become a part of a document.
        """
        ...

    @spec
    def write_reply(self, prompt: str, context: RequestContext) -> Iterator[str] | None:
        """Writes the reply instead of the model, piece by piece, or leaves it to the model; the first that writes wins.

        `prompt` is what the model would read, or the last message where a server makes that.
        """
        ...

    @spec
    def stream_transformer(self, context: RequestContext) -> StreamTransformer:
        """Made anew for each reply; sees its text as it is written."""
        ...

    @spec
    def logits_processors(self, context: RequestContext) -> Sequence[LogitsProcessor]:
        """Those of one reply; on llama.cpp only their logit bias and constraint count."""
        ...

    @spec
    def tools(self) -> Sequence[Tool]:
        """Functions that models may call in chats."""
        ...

    @spec
    def tabs(self) -> Sequence[Tab]:
        """Views of their own on the page."""
        ...

    @spec
    def panels(self) -> Sequence[Panel]:
        """Views beside a conversation."""
        ...

    @spec
    def routes(self) -> Sequence[Route]:
        """Answers over HTTP, under /ext/EXTENSION/."""
        ...

    @spec
    def settings_model(self) -> type[BaseModel]:
        """What a person can set, a field each; the form is made from it, so every field needs a default."""
        ...

    @spec
    def commands(self) -> Sequence[Command]:
        """What a message that begins with a slash does."""
        ...

    @spec
    def engines(self) -> Sequence[EngineKind]:
        """Engines that load models; each request runs in a worker process, which imports the extension too."""
        ...

    @spec
    def document_readers(self) -> Sequence[DocumentReader]:
        """How files of further kinds become text."""
        ...

    @spec
    def embedding_models(self) -> Sequence[EmbeddingModel]:
        """How texts become vectors."""
        ...

    @spec
    def custom_css(self) -> str:
        """Styles of the page."""
        ...

    @spec
    def custom_js(self) -> str:
        """A script of the page, a module. It can do all that the owner can: the install page warns of it."""
        ...

    @spec
    def started(self, host: ExtensionHost) -> None:
        """The extension was enabled, or the program has started with it. `host` is what it may ask of the program."""
        ...

    @spec
    def stopping(self) -> None:
        """It is being disabled, or the program ends: close what is open."""
        ...

    @spec
    def model_loaded(self, model: str, engine: str) -> None:
        """A model can be used from now on."""
        ...

    @spec
    def generation_started(self, context: RequestContext) -> None:
        """A model was asked."""
        ...

    @spec
    def generation_finished(self, text: str, reason: str, context: RequestContext) -> None:
        """It has answered, or `reason` says why not: stop, length, tool_calls, cancelled, error."""
        ...

    @spec
    def conversation_saved(self, conversation_id: str) -> None:
        """A conversation changed in the database."""
        ...

    @spec
    def job_finished(self, job: Job) -> None:
        """Long work has ended; its state says how."""
        ...


FILTERS: Mapping[str, type] = {
    "filter_messages": tuple,
    "filter_prompt": str,
    "filter_request": ReplyParams,
    "filter_reply": str,
}
OBSERVERS = (
    "started",
    "stopping",
    "model_loaded",
    "generation_started",
    "generation_finished",
    "conversation_saved",
    "job_finished",
)
