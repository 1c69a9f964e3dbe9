"""/control/models, /control/engines: what can be loaded and how, load and unload."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.types.local_model import LocalModel

ModelName = Annotated[Text, Field(min_length=1, max_length=500)]


class LoadRequest(WireModel):
    model: ModelName
    engine: Annotated[Text, Field(max_length=50)] | None = None
    options: dict[Text, Any] | None = None
    wait: bool = True


class UnloadRequest(WireModel):
    model: ModelName | None = None


def models_control_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.get("/models")
    def models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        states = {status.id: status.state for status in app.models.statuses()}
        found = app.models.models()
        return {"models": [entry(one, states.get(one.id, "unloaded"), app.models.remembered(one)) for one in found]}

    @router.get("/engines")
    def engines() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What each engine can be loaded with, as a JSON schema; `readOnly` options are set by flags alone."""
        kinds = [
            {"name": kind.name, "formats": kind.formats, "options": kind.options.model_json_schema()}
            for kind in app.models.engines()
        ]
        return {"engines": kinds, "chat_templates": app.models.chat_templates()}

    @router.post("/models/load")
    def load(body: LoadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Answers when the model is loaded, or with the reason why it is not; at once when it shall not `wait`.

        `options` are remembered for it.
        """
        loading = app.models.load(body.model, body.engine, body.options)
        if body.wait:
            loading.result.result()
        now = next((status for status in app.models.statuses() if status.id == body.model), None)
        return {"engine": asdict(now) if now else None}

    @router.post("/models/unload")
    def unload(body: UnloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.models.unload(body.model)
        return {"status": "ok"}

    return router


def entry(model: LocalModel, state: str, options: dict[str, Any]) -> dict[str, Any]:
    """`options` are those it was last loaded with."""
    return {
        "id": model.id,
        "title": model.title,
        "format": model.format,
        "size_bytes": model.size_bytes,
        "problem": model.problem,
        "shape": asdict(model.shape),
        "state": state,
        "options": options,
    }
