"""POST /v1/tokenize: how many tokens a text or a conversation is, in the shape that vLLM made common."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.openai.schemas import ModelName, WireMessage
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.messages import Message


class TokenizeRequest(WireModel):
    """POST /v1/tokenize: either a prompt, as /v1/completions and /v1/embeddings read it, or a chat's messages."""

    model: ModelName | None = None
    prompt: Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)] | None = None
    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=LIMITS.messages)] | None = None

    def counted(self) -> str | list[Message]:
        if self.prompt is not None and self.messages is None:
            return self.prompt
        if self.prompt is None and self.messages is not None:
            return [message.message() for message in self.messages]
        raise BadRequest("Give either a prompt or messages.", field="prompt")


def tokenize_router(app: App) -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/tokenize")
    async def tokenize(body: TokenizeRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        counted = body.counted()
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        found = await asyncio.wrap_future(app.inference.count_tokens(counted, model.id))
        return {"count": len(found.tokens), "max_model_len": found.context_length, "tokens": found.tokens}

    return router
