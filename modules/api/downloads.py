"""/control/downloads: models on their way from the hub."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.types.downloads import Download

Name = Annotated[Text, Field(max_length=LIMITS.hub_name_chars)]


class StartRequest(WireModel):
    source: Annotated[Text, Field(min_length=1, max_length=LIMITS.hub_source_chars)]
    choice: Name = Field(default="", description="A quantization or format by its name, where there are several.")
    pattern: Name = Field(default="", description="What a file's name must match, like *Q4_K_M*.")
    projector: bool = Field(default=False, description="Also what reads images.")


class DownloadRequest(WireModel):
    id: Annotated[Text, Field(min_length=1, max_length=64)]


def downloads_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/downloads", route_class=StrictRoute)

    @router.get("")
    def downloads() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Newest first, those that have ended too."""
        return {"downloads": [asdict(download) for download in app.downloads.downloads()]}

    @router.post("/start")
    def start(body: StartRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Answers when it is in line; the files come later."""
        return shape(
            app.downloads.start(body.source, choice=body.choice, pattern=body.pattern, projector=body.projector)
        )

    @router.post("/pause")
    def pause(body: DownloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return shape(app.downloads.pause(body.id))

    @router.post("/resume")
    def resume(body: DownloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return shape(app.downloads.resume(body.id))

    @router.post("/cancel")
    def cancel(body: DownloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Ends it, and throws away what has come."""
        return shape(app.downloads.cancel(body.id))

    @router.post("/remove")
    def remove(body: DownloadRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Forgets one that has ended; the model it brought stays."""
        return shape(app.downloads.remove(body.id))

    return router


def shape(download: Download) -> dict[str, Any]:
    return {"download": asdict(download)}
