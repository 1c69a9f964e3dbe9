"""/control/export: what a finetuned model can be made into."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.types.exports import Agreement, ExportKind, ExportResult, GgufType

Name = Annotated[Text, Field(min_length=1, max_length=LIMITS.model_name_chars)]


class StartRequest(WireModel):
    adapter: Name = Field(description="An adapter, or a model that was trained whole.")
    kind: ExportKind
    name: Annotated[Text, Field(max_length=LIMITS.model_name_chars)] = Field(
        default="", description="What the new model is called; an adapter for llama.cpp needs none."
    )
    type: GgufType | None = None
    base: Name | None = Field(default=None, description="The model that it was trained on, where it does not say.")


class PushRequest(WireModel):
    adapter: Name
    repository: Annotated[Text, Field(min_length=1, max_length=LIMITS.hub_source_chars)]
    is_private: bool = True


def export_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/export", route_class=StrictRoute)

    @router.get("/choices")
    def choices(name: Name) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"choices": [asdict(choice) for choice in app.finetuning.export.choices(name)]}

    @router.post("/start")
    def start(body: StartRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Followed and cancelled at /control/jobs."""
        job = app.finetuning.export.start(body.adapter, body.kind, body.name, body.type, body.base)
        return {"job": asdict(job)}

    @router.get("/results")
    def results() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Newest first. `models` are those on which an adapter for llama.cpp can be used."""
        found = app.finetuning.export.results()
        merged = {one.name for one in found if one.kind == "gguf"}

        def shape(one: ExportResult) -> dict[str, Any]:
            fitting = app.finetuning.comparison.ggufs_for(one.name) if one.kind == "gguf_lora" else []
            agreement = agreement_shape(one.agreement) if one.agreement else None
            models = [model for model in fitting if model not in merged]
            return {**asdict(one), "agreement": agreement, "models": models}

        return {"results": [shape(one) for one in found]}

    @router.post("/push")
    def push(body: PushRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """To the configured hub, with the token given for it."""
        job = app.finetuning.pushing.start(body.adapter, body.repository, is_private=body.is_private)
        return {"job": asdict(job)}

    return router


def agreement_shape(agreement: Agreement) -> dict[str, Any]:
    return {
        "tokens": agreement.tokens,
        "agreed": agreement.agreed,
        "share": agreement.share,
        "least_share": agreement.least_share,
        "is_good": agreement.is_good,
        "prompts": agreement.prompts,
    }
