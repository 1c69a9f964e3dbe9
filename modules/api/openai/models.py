"""GET /v1/models."""

from typing import Any

from fastapi import APIRouter

from modules.app import App
from modules.types.local_model import LocalModel


def models_router(app: App) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/models")
    def list_models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        usable = [model for model in app.models.models() if not model.problem]
        return {"object": "list", "data": [model_shape(model) for model in usable]}

    @router.get("/v1/models/{model_id:path}")
    def get_model(model_id: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return model_shape(app.models.find(model_id))

    return router


def model_shape(model: LocalModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": int(model.created), "owned_by": "parlor"}
