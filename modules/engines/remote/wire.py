"""Our request as OpenAI's body, and its stream as our events."""

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modules.engines.grammars import TextCheck
from modules.engines.protocol import Emit
from modules.engines.remote.knobs import ServerKind, constraint_fields, knob_fields
from modules.errors import EngineError
from modules.types.generation import (
    AS_MANY_AS_FIT,
    Finished,
    FinishReason,
    GenerationRequest,
    ReasoningDelta,
    TextDelta,
    TokenChoice,
    TokenLogprob,
    Usage,
)
from modules.types.messages import Message
from modules.types.tools import ToolCall, ToolUse

# OpenAI takes no more; those left out still end the reply, here.
STOP_STRINGS = 4
EMPTY_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}


def request_body(request: GenerationRequest, model: str, kind: ServerKind) -> tuple[str, dict[str, Any]]:
    """(route, body). Raises BadRequest for what this kind of server would have to pass over."""
    chat = request.messages is not None
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        **knob_fields(request.sampling, kind),
    }
    if request.messages is not None:
        body["messages"] = [message_fields(message) for message in request.messages]
    else:
        body["prompt"] = list(request.prompt_tokens) or request.prompt
    if request.max_tokens < AS_MANY_AS_FIT:
        body["max_tokens"] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop[: STOP_STRINGS if kind == "openai" else None])
    if alternatives := request.sampling.n_probs:
        body |= {"logprobs": True, "top_logprobs": alternatives} if chat else {"logprobs": alternatives}
    if request.tools is not None and request.tools.may_call:
        body |= tool_fields(request.tools)
    if request.constraint is not None:
        body |= constraint_fields(request.constraint, kind, chat=chat)
    return "/v1/chat/completions" if chat else "/v1/completions", body


def message_fields(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def tool_fields(use: ToolUse) -> dict[str, Any]:
    """Servers that call as they like when nothing is said get `parallel_tool_calls` only where it matters."""
    functions = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters or EMPTY_PARAMETERS}
        for tool in use.tools
    ]
    named = {"type": "function", "function": {"name": use.named}}
    return {
        "tools": [{"type": "function", "function": function} for function in functions],
        "tool_choice": named if use.named else use.choice,
        **({} if use.parallel else {"parallel_tool_calls": False}),
    }


class Chunk(BaseModel):
    """Of what servers send, the parts we read; everything may be missing or null."""

    model_config = ConfigDict(extra="ignore")

    choices: list["Choice"] | None = None
    usage: "WireUsage | None" = None


class Choice(BaseModel):
    delta: "Delta | None" = None
    text: str | None = None
    logprobs: "WireLogprobs | None" = None
    finish_reason: str | None = None


class Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list["ToolDelta"] | None = None


class ToolDelta(BaseModel):
    index: int = 0
    id: str | None = None
    function: "FunctionDelta | None" = None


class FunctionDelta(BaseModel):
    name: str | None = None
    arguments: str | None = None


class CachedTokens(BaseModel):
    cached_tokens: int | None = None


class WireUsage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: CachedTokens | None = None


class WireChoice(BaseModel):
    token: str
    logprob: float | None
    bytes: list[int] | None = None
    top_logprobs: list["WireChoice"] = Field(default_factory=list["WireChoice"])

    def choice(self) -> TokenChoice:
        return TokenChoice(self.token, self.logprob, tuple(self.bytes or self.token.encode()))


class WireLogprobs(BaseModel):
    """A chat's shape, or the older one of completions."""

    content: list[WireChoice] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None

    def logprobs(self) -> tuple[TokenLogprob, ...]:
        if self.content is not None:
            return tuple(
                TokenLogprob(one.choice(), tuple(other.choice() for other in one.top_logprobs)) for one in self.content
            )
        tokens = self.tokens or []
        alternatives = self.top_logprobs or [None] * len(tokens)
        return tuple(
            TokenLogprob(token_choice(token, logprob), tuple(token_choice(*other) for other in (others or {}).items()))
            for token, logprob, others in zip(tokens, self.token_logprobs or [], alternatives, strict=False)
        )


def token_choice(token: str, logprob: float | None) -> TokenChoice:
    return TokenChoice(token, logprob, tuple(token.encode()))


class ReplyStream:
    """Takes a server's chunks, emits our events, and sums up at the end."""

    def __init__(self, emit: Emit, check: TextCheck | None) -> None:
        """`check` follows a constrained text: some servers pass over a constraint that they do not know."""
        self._emit = emit
        self._check = check
        self._started = time.monotonic()
        self._first: float | None = None
        self._reason: FinishReason | None = None
        self._usage: WireUsage | None = None
        self._pieces = 0
        self._calls: dict[int, ToolCall] = {}

    @property
    def has_begun(self) -> bool:
        return self._first is not None

    def take(self, content: dict[str, Any]) -> None:
        """Raises EngineError for a chunk that is none, and for a text that leaves its constraint."""
        try:
            chunk = Chunk.model_validate(content)
        except ValueError as error:
            raise EngineError("The server sent something that is no piece of a reply.") from error
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices or []:
            self._take_choice(choice)

    def finish(self, context_length: int, prompt_tokens: int, *, cancelled: bool) -> None:
        """`prompt_tokens` counts where the server did not. Raises EngineError for a reply that never ended."""
        if self._reason is None and not cancelled:
            raise EngineError("The server ended the reply without saying why.")
        for call in self._calls.values():
            self._emit(call)
        now = time.monotonic()
        usage = self._usage or WireUsage(prompt_tokens=prompt_tokens)
        made = self._pieces if usage.completion_tokens is None else usage.completion_tokens
        details = usage.prompt_tokens_details
        self._emit(
            Finished(
                "cancelled" if self._reason is None else self._reason,
                Usage(usage.prompt_tokens, made, (details.cached_tokens if details else 0) or 0),
                first_token_seconds=(self._first or now) - self._started,
                tokens_per_second=made / max(now - (self._first or self._started), 1e-6),
                context_length=context_length,
            )
        )

    def _take_choice(self, choice: Choice) -> None:
        delta = choice.delta or Delta()
        for call in delta.tool_calls or []:
            known = self._calls.get(call.index, ToolCall("", ""))
            part = call.function or FunctionDelta()
            name, arguments = known.name + (part.name or ""), known.arguments + (part.arguments or "")
            self._calls[call.index] = ToolCall(name, arguments, known.id or call.id or "")
        reasoning = delta.reasoning_content or delta.reasoning or ""
        text = delta.content or choice.text or ""
        logprobs = choice.logprobs.logprobs() if choice.logprobs else ()
        if reasoning or text or logprobs or delta.tool_calls:
            self._first = self._first or time.monotonic()
            self._pieces += 1
        if reasoning:
            self._emit(ReasoningDelta(reasoning))
        if text or logprobs:
            if self._check is not None and not self._check.accepts(text):
                raise EngineError("The server did not follow the constraint any further.")
            self._emit(TextDelta(text, logprobs))
        if choice.finish_reason:
            self._reason = REASONS.get(choice.finish_reason, "stop")
