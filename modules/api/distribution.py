"""POST /control/distribution: how the next token would be chosen, step by step."""

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from modules.api.openai.answer import end_of
from modules.api.openai.schemas import PromptOrMessages
from modules.api.strict_json import StrictRoute
from modules.app import App
from modules.limits import LIMITS
from modules.services.inference import ReplyParams, knobs_of
from modules.types.generation import Distribution, SamplerStep, TokenChoice
from modules.types.sampling import SamplingParams


class DistributionRequest(PromptOrMessages, SamplingParams):
    model_config = PromptOrMessages.model_config

    n: int = Field(
        default=10, ge=1, le=LIMITS.distribution_tokens, description="Likeliest tokens to tell of each step."
    )


def distribution_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.post("/distribution")
    async def distribution(body: DistributionRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The steps are the model itself and those samplers that change anything, in their order."""
        asked, params = body.asked(), ReplyParams(knobs_of(body))
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        generation = app.inference.distribution(asked, body.n, params, model.id)
        await end_of(request, generation)
        found = (event for event in generation.events if isinstance(event, Distribution))
        return {"model": model.id, "steps": [step_shape(step) for told in found for step in told.steps]}

    return router


def step_shape(step: SamplerStep) -> dict[str, Any]:
    return {"name": step.name, "kept": step.kept, "tokens": [token_shape(token) for token in step.tokens]}


def token_shape(token: TokenChoice) -> dict[str, Any]:
    probability = None if token.logprob is None else math.exp(token.logprob)
    return {"id": token.id, "token": token.token, "bytes": list(token.token_bytes), "probability": probability}
