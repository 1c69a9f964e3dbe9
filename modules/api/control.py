"""/control: models, jobs and how busy the engines are, for the signed-in page and the admin key."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.engines.registry import ENGINES

ModelName = Annotated[Text, Field(min_length=1, max_length=500)]


class LoadRequest(WireModel):
    model: ModelName
    engine: Annotated[Text, Field(max_length=50)] | None = None
    options: dict[Text, Any] | None = None


class UnloadRequest(WireModel):
    model: ModelName | None = None


def control_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.get("/status")
    def status() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        now = app.models.status()
        return {"status": "ok", "engines": [asdict(now)] if now else []}

    @router.get("/models")
    def models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        now = app.models.status()
        return {
            "models": [
                {
                    "id": model.id,
                    "title": model.title,
                    "format": model.format,
                    "size_bytes": model.size_bytes,
                    "problem": model.problem,
                    "shape": asdict(model.shape),
                    "state": now.state if now and now.id == model.id else "unloaded",
                    "options": app.models.remembered(model),
                }
                for model in app.models.models()
            ]
        }

    @router.get("/engines")
    def engines() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What each engine can be loaded with, as a JSON schema; `readOnly` options are set by flags alone."""
        kinds = [
            {"name": kind.name, "formats": kind.formats, "options": kind.options.model_json_schema()}
            for kind in ENGINES
        ]
        return {"engines": kinds, "chat_templates": app.models.chat_templates()}

    @router.post("/models/load")
    def load(body: LoadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Answers when the model is loaded, or with the reason why it is not. `options` are remembered for it."""
        app.models.load(body.model, body.engine, body.options).result.result()
        now = app.models.status()
        return {"engine": asdict(now) if now else None}

    @router.post("/models/unload")
    def unload(body: UnloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.models.unload(body.model)
        return {"status": "ok"}

    @router.get("/jobs")
    def jobs() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"jobs": [asdict(job) for job in app.jobs.history()]}

    @router.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"job": asdict(app.jobs.cancel(job_id))}

    return router
