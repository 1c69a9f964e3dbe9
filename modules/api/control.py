"""/control: how busy the engines are, and jobs, for the signed-in page and the admin key."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from modules.api.strict_json import StrictRoute
from modules.app import App


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

    @router.get("/jobs")
    def jobs() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"jobs": [asdict(job) for job in app.jobs.history()]}

    @router.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"job": asdict(app.jobs.cancel(job_id))}

    return router
