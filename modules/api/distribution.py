"""POST /control/distribution: how the next token would be chosen, step by step; /next: where a person is."""

import asyncio
import math
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from modules.api.openai.answer import end_of
from modules.api.openai.schemas import PromptOrMessages
from modules.api.parameters import Target
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.engines.generation import Generation
from modules.limits import LIMITS
from modules.services.next_token import NextTokenPlace
from modules.types.generation import Distribution, SamplerStep, TokenChoice
from modules.types.reply_params import ReplyParams, knobs_of
from modules.types.sampling import SamplingParams


class DistributionRequest(PromptOrMessages, SamplingParams):
    model_config = PromptOrMessages.model_config

    n: int = Field(
        default=10, ge=1, le=LIMITS.distribution_tokens, description="Likeliest tokens to tell of each step."
    )


class NextTokenRequest(WireModel):
    """`draft` is a message that is not sent yet."""

    model: Target = ""
    conversation: Target = ""
    document: Target = ""
    draft: Annotated[Text, Field(max_length=LIMITS.message_chars)] = ""
    n: int = Field(default=8, ge=1, le=LIMITS.distribution_tokens, description="Likeliest tokens to tell of each step.")


def distribution_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.post("/distribution")
    async def distribution(body: DistributionRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The steps are the model itself and those samplers that change anything, in their order."""
        asked, params = body.asked(), ReplyParams(knobs_of(body))
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        generation = app.inference.distribution(asked, body.n, params, model.id)
        await end_of(request, generation)
        return {"model": model.id, "steps": steps_of(generation)}

    @router.post("/distribution/next")
    async def next_token(body: NextTokenRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The same of the open conversation or document, with the parameters in use there. Nothing is loaded for it."""
        place = NextTokenPlace(body.model, body.conversation, body.document, body.draft)
        generation = await asyncio.to_thread(app.next_token.begin, place, body.n)
        if generation is None:
            return {"is_loaded": False, "steps": []}
        await end_of(request, generation)
        return {"is_loaded": True, "steps": steps_of(generation)}

    return router


def steps_of(generation: Generation) -> list[dict[str, Any]]:
    found = (event for event in generation.events if isinstance(event, Distribution))
    return [step_shape(step) for told in found for step in told.steps]


def step_shape(step: SamplerStep) -> dict[str, Any]:
    return {"name": step.name, "kept": step.kept, "tokens": [token_shape(token) for token in step.tokens]}


def token_shape(token: TokenChoice) -> dict[str, Any]:
    probability = None if token.logprob is None else math.exp(token.logprob)
    return {"id": token.id, "token": token.token, "bytes": list(token.token_bytes), "probability": probability}
