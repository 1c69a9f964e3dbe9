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
    wait: bool = True


class UnloadRequest(WireModel):
    model: ModelName | None = None


def control_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control", route_class=StrictRoute)

    @router.get("/status")
    def status() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Every model that is loaded, being loaded or failed last, most recently used first."""
        return {
            "status": "ok",
            "engines": [asdict(status) for status in app.models.statuses()],
            "memory": asdict(app.models.memory()),
        }

    @router.get("/models")
    def models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        states = {status.id: status.state for status in app.models.statuses()}
        return {
            "models": [
                {
                    "id": model.id,
                    "title": model.title,
                    "format": model.format,
                    "size_bytes": model.size_bytes,
                    "problem": model.problem,
                    "shape": asdict(model.shape),
                    "state": states.get(model.id, "unloaded"),
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

    @router.get("/jobs")
    def jobs() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"jobs": [asdict(job) for job in app.jobs.history()]}

    @router.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"job": asdict(app.jobs.cancel(job_id))}

    return router
