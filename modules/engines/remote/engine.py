"""A model on an OpenAI-compatible server behind the engine protocol."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event as Flag

from modules.engines.grammars import TextCheck, grammar_of
from modules.engines.protocol import Capabilities, Emit, Report
from modules.engines.remote.embeddings import does_embed, embeddings_of
from modules.engines.remote.kind import RemoteOptions
from modules.engines.remote.knobs import CONSTRAINTS, IGNORED, TITLES, ServerKind, samplers
from modules.engines.remote.server import (
    Server,
    chat_token_ids,
    context_length,
    kind_of,
    stream_limits,
    token_ids,
)
from modules.engines.remote.wire import ReplyStream, request_body
from modules.errors import BadRequest, Cancelled, ContextOverflow, ModelError, ParlorError
from modules.prompts.window import fit
from modules.types.embeddings import Embeddings
from modules.types.generation import AS_MANY_AS_FIT, Constraint, Event, Finished, GenerationRequest, Progress
from modules.types.local_model import LocalModel
from modules.types.messages import Message

# The share of the context that is left for the reply when a conversation has to be shortened.
REPLY_SHARE = 4
# What a continuation of raw text may be long when nobody says: servers of this kind would end it after 16 tokens.
COMPLETION_TOKENS = 1024
# Where nobody counts: about what English has in most vocabularies, and what a template adds to each message.
CHARS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4


class RemoteEngine:
    """Every `generate` call is a connection of its own, closed by a cancel, so that the server stops as well."""

    def __init__(self, model: LocalModel, options: RemoteOptions, report: Report) -> None:
        if model.endpoint is None:
            raise ModelError(f"{model.title} belongs to no server that is known here.")
        self._endpoint = model.endpoint
        self._server = Server(model.endpoint, stream_limits(options.silence_seconds))
        report(0.0, f"Asking {model.endpoint.address}")
        try:
            entries = Server(model.endpoint).model_list()
            entry = next((one for one in entries if one["id"] == model.endpoint.model), None)
            if entry is None:
                raise ModelError(f"{model.endpoint.address} has no model called {model.endpoint.model!r} any more.")
            self._kind: ServerKind = kind_of(entry)
            report(0.5, f"It is {TITLES[self._kind]}")
            context = options.context_length or context_length(self._server, self._kind, entry)
        except ModelError:
            raise
        except ParlorError as error:
            raise ModelError(str(error)) from error
        self.capabilities = Capabilities(
            context_length=context,
            slots=options.slots,
            renders_chat=True,
            embeds=does_embed(Server(model.endpoint)),
            logprobs=True,
            tool_calls=True,
            constraints=CONSTRAINTS[self._kind],
            ignored_knobs=tuple(sorted(IGNORED[self._kind])),
            samplers=samplers(self._kind),
            runs_on=TITLES[self._kind],
            notes=(f"{model.endpoint.address}, {TITLES[self._kind]}",),
        )

    def tokenize(self, text: str) -> list[int]:
        """Raises BadRequest where the server does not tell."""
        return token_ids(self._server, self._kind, text)

    def token_pieces(self, text: str) -> list[tuple[int, str]]:
        del text
        raise BadRequest("The server of this model does not tell the bytes of its tokens.", field="model")

    def tokenize_chat(self, messages: list[dict[str, str]]) -> list[int]:
        return chat_token_ids(self._server, self._kind, messages)

    def embed_texts(self, inputs: list[str | list[int]]) -> Embeddings:
        return embeddings_of(self._server, inputs)

    def generate(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        """A conversation that the server finds too long is sent once more, shorter, where the request allows it."""
        emit(Progress("reading"))
        request = replace(request, max_tokens=self._reply_tokens(request))
        try:
            self._stream(request, emit, cancelled)
        except ContextOverflow as overflow:
            shorter, dropped = self._fitted(request, overflow)

            def emit_dropped(event: Event) -> None:
                emit(replace(event, dropped_messages=dropped) if isinstance(event, Finished) else event)

            self._stream(shorter, emit_dropped, cancelled)

    def close(self) -> None:
        pass

    def _stream(self, request: GenerationRequest, emit: Emit, cancelled: Flag) -> None:
        stream = ReplyStream(emit, text_check(request.constraint))
        path, body = request_body(request, self._endpoint.model, self._kind)
        try:
            for chunk in self._server.stream(path, body, cancelled):
                stream.take(chunk)
        except Cancelled:
            pass
        except ContextOverflow as overflow:
            if stream.has_begun:
                raise BadRequest(str(overflow), code=ContextOverflow.code) from overflow
            raise
        stream.finish(self.capabilities.context_length, len(request.prompt_tokens), cancelled=cancelled.is_set())

    def _reply_tokens(self, request: GenerationRequest) -> int:
        """Chats may go on as long as the server lets them."""
        if request.max_tokens < AS_MANY_AS_FIT or request.messages is not None or self._kind in {"llamacpp", "parlor"}:
            return request.max_tokens
        context = self.capabilities.context_length
        return min(COMPLETION_TOKENS, context // REPLY_SHARE) if context else COMPLETION_TOKENS

    def _fitted(self, request: GenerationRequest, overflow: ContextOverflow) -> tuple[GenerationRequest, int]:
        """(what is worth another try, how many messages were left out); raises `overflow` when nothing is."""
        context = overflow.context_length or self.capabilities.context_length
        if request.messages is None:
            raise overflow
        size = self._count(request.messages)
        if context and size < context and request.max_tokens < AS_MANY_AS_FIT and size + request.max_tokens > context:
            # The messages fit, only not with so long a reply.
            return replace(request, max_tokens=context - size), 0
        if not request.drop_oldest:
            raise overflow
        # The count may be an estimate, and the server has said that all of it is too much.
        most = size * 2 // 3
        budget = min(context - context // REPLY_SHARE, most) if context else most
        kept, dropped = fit(request.messages, self._count, budget_tokens=budget, context_length=context or size)
        if not dropped:
            raise overflow
        return replace(request, messages=tuple(kept), max_tokens=AS_MANY_AS_FIT), dropped

    def _count(self, messages: Sequence[Message]) -> int:
        """Tokens, by the server where it tells, else estimated."""
        try:
            return len(self.tokenize_chat([{"role": one.role, "content": one.content} for one in messages]))
        except ParlorError:
            return sum(len(one.content) // CHARS_PER_TOKEN + TOKENS_PER_MESSAGE for one in messages)


def text_check(constraint: Constraint | None) -> TextCheck | None:
    """Raises BadRequest for a constraint that makes no sense, before any server may pass over it.

    JSON is not followed: where blanks stand is the server's affair.
    """
    if constraint is None:
        return None
    grammar = grammar_of(constraint)
    return None if constraint.kind == "json_schema" else TextCheck(grammar)
