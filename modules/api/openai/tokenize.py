"""POST /v1/tokenize: how many tokens a text or a conversation is, in the shape that vLLM made common."""

import asyncio
from typing import Any

from fastapi import APIRouter

from modules.api.openai.schemas import PromptOrMessages
from modules.api.strict_json import StrictRoute
from modules.app import App


def tokenize_router(app: App) -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/tokenize")
    async def tokenize(body: PromptOrMessages) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        counted = body.asked()
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        found = await asyncio.wrap_future(app.inference.count_tokens(counted, model.id))
        return {"count": len(found.tokens), "max_model_len": found.context_length, "tokens": found.tokens}

    return router
