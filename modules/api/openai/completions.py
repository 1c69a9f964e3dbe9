"""POST /v1/completions: raw text or token ids, no chat template."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response

from modules.api.openai.answer import Chunk, answer
from modules.api.openai.schemas import CompletionRequest
from modules.api.openai.shapes import completion_logprobs_shape, finish_reason, notes_shape, usage_shape
from modules.api.strict_json import StrictRoute
from modules.app import App
from modules.engines.generation import Generation
from modules.services.request_hooks import RequestSource
from modules.types.generation import Event, Finished, PromptLogprobs, TextDelta


def completions_router(app: App) -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        prompt = body.asked()
        params = body.reply_params(await asyncio.to_thread(app.presets.parameters, body.preset))
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        generation = app.inference.start(prompt, params, model.id, asked_by=RequestSource("api"))
        wire = CompletionWire(generation.id, model.id, body.logprobs or 0, body.echoed())
        return await answer(
            request, generation, wire, stream=body.stream, include_usage=body.stream_options.include_usage
        )

    return router


class CompletionWire:
    """`echoed` is the prompt's text where the answer begins with it; None where that comes with log-probabilities."""

    def __init__(self, generation_id: str, model: str, alternatives: int, echoed: str | None) -> None:
        self._common: Chunk = {
            "id": f"cmpl-{generation_id}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._alternatives = alternatives
        self._echoed = echoed
        self._sent_chars = 0

    def whole(self, generation: Generation, end: Finished) -> Chunk:
        logprobs = tuple(
            entry
            for event in generation.events
            if isinstance(event, PromptLogprobs | TextDelta)
            for entry in event.logprobs
        )
        shape = completion_logprobs_shape(logprobs, self._alternatives, 0)
        prompt = self._echoed
        if prompt is None:
            events = (event for event in generation.events if isinstance(event, PromptLogprobs))
            prompt = "".join(text_of(event) for event in events)
        whole = self._chunk(prompt + generation.text, finish_reason(end), shape)
        return {**whole, "usage": usage_shape(end.usage), **notes_shape(end)}

    def opening(self) -> list[Chunk]:
        return [self._chunk(self._echoed, None)] if self._echoed else []

    def chunks(self, event: Event) -> list[Chunk]:
        match event:
            case PromptLogprobs():
                text = text_of(event)
                shape = completion_logprobs_shape(event.logprobs, self._alternatives, self._sent_chars)
                self._sent_chars += len(text)
                return [self._chunk("" if self._echoed else text, None, shape)]
            case TextDelta():
                shape = completion_logprobs_shape(event.logprobs, self._alternatives, self._sent_chars)
                self._sent_chars += len(event.text)
                return [self._chunk(event.text, None, shape)]
            case Finished():
                return [{**self._chunk("", finish_reason(event)), **notes_shape(event)}]
            case _:
                return []

    def usage_chunk(self, usage: Chunk) -> Chunk:
        return {**self._common, "choices": [], "usage": usage}

    def _chunk(self, text: str, reason: str | None, logprobs: Any = None) -> Chunk:
        return {
            **self._common,
            "choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason}],
        }


def text_of(prompt: PromptLogprobs) -> str:
    return "".join(entry.chosen.token for entry in prompt.logprobs)
