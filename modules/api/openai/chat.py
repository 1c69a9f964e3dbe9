"""POST /v1/chat/completions."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response

from modules.api.openai.answer import Chunk, answer
from modules.api.openai.schemas import ChatCompletionRequest
from modules.api.openai.shapes import chat_logprobs_shape, finish_reason, notes_shape, tool_call_shape, usage_shape
from modules.api.openai.tool_schemas import check_parameters
from modules.api.strict_json import StrictRoute
from modules.app import App
from modules.engines.generation import Generation
from modules.services.request_hooks import RequestSource
from modules.types.generation import Event, Finished, ReasoningDelta, TextDelta, TokenLogprob
from modules.types.tools import ToolCall


def chat_router(app: App) -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/chat/completions")
    async def chat_completions(body: ChatCompletionRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        messages = [message.message() for message in body.messages]
        params = body.reply_params(await asyncio.to_thread(app.presets.parameters, body.preset))
        if params.tools is not None:
            await asyncio.to_thread(check_parameters, params.tools, app.inference.check_constraint)
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        generation = app.inference.chat(messages, params, model.id, asked_by=RequestSource("api"))
        wire = ChatWire(generation.id, model.id, body.top_logprobs)
        return await answer(
            request, generation, wire, stream=body.stream, include_usage=body.stream_options.include_usage
        )

    return router


class ChatWire:
    def __init__(self, generation_id: str, model: str, alternatives: int) -> None:
        self._common: Chunk = {"id": f"chatcmpl-{generation_id}", "created": int(time.time()), "model": model}
        self._alternatives = alternatives
        self._tool_calls = 0

    def whole(self, generation: Generation, end: Finished) -> Chunk:
        calls = [event for event in generation.events if isinstance(event, ToolCall)]
        logprobs: tuple[TokenLogprob, ...] = tuple(
            entry for event in generation.events if isinstance(event, TextDelta) for entry in event.logprobs
        )
        message: Chunk = {"role": "assistant", "content": generation.text if generation.text or not calls else None}
        if generation.reasoning:
            message["reasoning_content"] = generation.reasoning
        if calls:
            message["tool_calls"] = [tool_call_shape(call) for call in calls]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": chat_logprobs_shape(logprobs, self._alternatives),
            "finish_reason": finish_reason(end),
        }
        return {
            **self._common,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_shape(end.usage),
            **notes_shape(end),
        }

    def opening(self) -> list[Chunk]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def chunks(self, event: Event) -> list[Chunk]:
        match event:
            case TextDelta():
                logprobs = chat_logprobs_shape(event.logprobs, self._alternatives)
                return [self._chunk({"content": event.text}, logprobs=logprobs)]
            case ReasoningDelta():
                return [self._chunk({"reasoning_content": event.text})]
            case ToolCall():
                self._tool_calls += 1
                return [self._chunk({"tool_calls": [{"index": self._tool_calls - 1, **tool_call_shape(event)}]})]
            case Finished():
                return [{**self._chunk({}, reason=finish_reason(event)), **notes_shape(event)}]
            case _:
                return []

    def usage_chunk(self, usage: Chunk) -> Chunk:
        return {**self._common, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _chunk(self, delta: Chunk, reason: str | None = None, logprobs: Any = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**self._common, "object": "chat.completion.chunk", "choices": [choice]}
