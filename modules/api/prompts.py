"""/control/prompts: prompt templates, and one asked of a model."""

import asyncio
import threading
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from modules.api.openai.answer import Chunk, answer
from modules.api.openai.shapes import finish_reason, usage_shape
from modules.api.sse import DisconnectWatch
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.engines.generation import Generation
from modules.limits import LIMITS
from modules.services.request_hooks import RequestSource
from modules.types.generation import Event, Finished, ReasoningDelta, TextDelta
from modules.types.prompt_templates import ListedTemplate, RenderedPrompt

TemplateName = Annotated[Text, Field(min_length=1, max_length=120)]
Values = Annotated[dict[Text, Annotated[Text, Field(max_length=LIMITS.message_chars)]], Field(max_length=20)]


class TemplateRequest(WireModel):
    name: TemplateName


class SaveRequest(TemplateRequest):
    text: Annotated[Text, Field(min_length=1, max_length=LIMITS.template_chars)]


class RenderRequest(TemplateRequest):
    variables: Values = Field(default_factory=dict[str, str])


class RunRequest(RenderRequest):
    model: Annotated[Text, Field(max_length=LIMITS.model_name_chars)] | None = None
    stream: bool = False


def prompts_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/prompts", route_class=StrictRoute)

    @router.get("")
    def templates() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"prompts": [listed_shape(listed) for listed in app.prompts.templates()]}

    @router.post("/read")
    def read(body: TemplateRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The file as it stands."""
        return {"name": body.name, "text": app.prompts.text(body.name)}

    @router.post("/save")
    def save(body: SaveRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """As one of the person's own; a shipped one stays, and shows again when the own one is deleted."""
        return {"template": app.prompts.save(body.name, body.text).model_dump()}

    @router.post("/delete")
    def delete(body: TemplateRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.prompts.delete(body.name)
        return {"status": "ok"}

    @router.post("/render")
    def render(body: RenderRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"prompt": rendered_shape(app.prompts.render(body.name, body.variables))}

    @router.post("/run")
    async def run(body: RunRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """The reply, whole or streamed; or the labels' probabilities. A client that leaves stops it."""
        rendered = await asyncio.to_thread(app.prompts.render, body.name, body.variables)
        if rendered.output == "labels" and not body.stream:
            return await classified(app, rendered, body.model, request)
        generation = await asyncio.to_thread(app.prompts.start, rendered, body.model, asked_by=RequestSource("api"))
        return await answer(request, generation, PromptWire(), stream=body.stream, include_usage=False)

    return router


async def classified(app: App, rendered: RenderedPrompt, model: str | None, request: Request) -> Response:
    left = threading.Event()
    watch = DisconnectWatch(request, left.set)
    try:
        found = await asyncio.to_thread(app.prompts.label_probabilities, rendered, model, left.is_set)
    finally:
        watch.end()
    return JSONResponse(asdict(found))


class PromptWire:
    """Pieces of `text` (and `reasoning`), then one with `finish_reason` and `usage`."""

    def whole(self, generation: Generation, end: Finished) -> Chunk:
        return {"text": generation.text, "reasoning": generation.reasoning, **ending(end)}

    def opening(self) -> list[Chunk]:
        return []

    def chunks(self, event: Event) -> list[Chunk]:
        match event:
            case TextDelta():
                return [{"text": event.text}]
            case ReasoningDelta():
                return [{"reasoning": event.text}]
            case Finished():
                return [ending(event)]
            case _:
                return []

    def usage_chunk(self, usage: Chunk) -> Chunk:
        return {"usage": usage}


def ending(end: Finished) -> Chunk:
    return {
        "finish_reason": finish_reason(end),
        "usage": usage_shape(end.usage),
        "tokens_per_second": end.tokens_per_second,
    }


def listed_shape(listed: ListedTemplate) -> dict[str, Any]:
    return {
        "name": listed.name,
        "is_shipped": listed.is_shipped,
        "is_changed": listed.is_changed,
        "problem": listed.problem,
        "template": listed.template.model_dump() if listed.template else None,
    }


def rendered_shape(rendered: RenderedPrompt) -> dict[str, Any]:
    return {
        "messages": [{"role": message.role, "content": message.content} for message in rendered.messages],
        "prompt": rendered.prompt,
        "constraint": asdict(rendered.constraint) if rendered.constraint else None,
        "parameters": rendered.parameters.model_dump(exclude_defaults=True, exclude={"constraint"}),
        "output": rendered.output,
        "labels": rendered.labels,
    }
