"""What a model will need and give, and what it did: estimates and their history."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS

ModelName = Annotated[Text, Field(min_length=1, max_length=LIMITS.model_name_chars)]


class EstimateRequest(WireModel):
    model: ModelName
    engine: Text | None = Field(default=None, max_length=40, description="Instead of the one that takes its format.")
    options: dict[str, Any] | None = Field(default=None, description="Instead of those remembered for this model.")


def oracle_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.post("/models/estimate")
    def estimate(body: EstimateRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Speeds are null until this machine was measured, which the first estimate begins and takes seconds."""
        said = app.models.estimate(body.model, body.engine, body.options)
        return {"estimate": {**asdict(said), "total_bytes": said.parts.total_bytes + said.worker_bytes}}

    @router.get("/oracle/history")
    def history(  # pyright: ignore[reportUnusedFunction]
        model: Annotated[str, Query(min_length=1, max_length=LIMITS.model_name_chars)],
    ) -> dict[str, Any]:
        return {"runs": [asdict(run) for run in app.oracle.history(model)]}

    return router
