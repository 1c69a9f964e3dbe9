"""/control/extensions: which there are, their cards and settings, and the views that they give the page."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from modules.api.extension_shapes import card_shape, listed_shapes, part_shape, settings_shape
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.api.uploads import received
from modules.app import App
from modules.errors import Forbidden
from modules.limits import LIMITS
from modules.services.extension_views import Place

Name = Annotated[Text, Field(max_length=60)]
Value = (
    Annotated[Text, Field(max_length=LIMITS.message_chars)]
    | bool
    | int
    | float
    | dict[Name, Annotated[Text, Field(max_length=60)]]
    | None
)


class SettingsRequest(WireModel):
    """All that the person set; what is left out gets its default, but a secret, which stays."""

    values: Annotated[dict[Text, Any], Field(max_length=LIMITS.extension_values)]


class MoveRequest(WireModel):
    """One place later among those that are enabled, or earlier."""

    steps: Literal[-1, 1]


class ViewRequest(WireModel):
    """What was pressed, with the values of the fields; of a file, `{"upload": ID}`."""

    place: Place = "tab"
    button: Name = ""
    values: Annotated[dict[Name, Value], Field(max_length=LIMITS.extension_values)] = Field(
        default_factory=dict[str, Value]
    )
    conversation_id: Annotated[Text, Field(max_length=64)] | None = None


def extension_views_router(app: App, render: Callable[[str], str]) -> APIRouter:
    """`render` makes safe HTML of Markdown."""
    router = APIRouter(prefix="/control/extensions", route_class=StrictRoute)

    @router.get("")
    def extensions() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Every one that was found, also what is no extension though it lies among them; `refusal` says why nothing of
        them can be changed now, where that is so."""
        return {
            "extensions": listed_shapes(app, app.extensions.all()),
            "refusal": refusal(app),
        }

    @router.get("/views")
    def views() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What those that are enabled add to the page; `loading` will add theirs in a moment."""
        return {
            "loading": list(app.extensions.loading),
            "views": [asdict(one) for one in app.offers.views.offered()],
            "commands": [asdict(one) for one in app.offers.commands.offered()],
            "looks": [asdict(one) for one in app.offers.looks.offered()],
        }

    @router.post("/views/{name}/{view}")
    def show(name: str, view: str, body: ViewRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What the view shows now."""
        parts = app.offers.views.show(
            name,
            body.place,
            view,
            button=body.button,
            values=body.values,
            conversation_id=body.conversation_id,
        )
        return {"parts": [part_shape(part, render) for part in parts]}

    @router.put("/uploads/{name}/{file_name}")
    async def upload(name: str, file_name: str, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A file for a view of this extension: its bytes as they are."""
        return {"upload": await received(lambda: app.offers.upload(name, file_name), request)}

    @router.put("/uploads/{file_name}")
    async def upload_archive(file_name: str, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A zip that holds an extension; `source` is what a plan to install it is asked with."""
        sent = await received(lambda: app.offers.upload_archive(file_name), request)
        return {"source": app.offers.archive_path(sent)}

    @router.get("/{name}")
    def card(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"extension": card_shape(app, app.extensions.find(name))}

    @router.post("/{name}/enable")
    def enable(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Its code is imported and runs from now on; its faults are forgotten."""
        app.installer.policy.check()
        return {"extension": card_shape(app, app.extensions.enable(name))}

    @router.post("/{name}/disable")
    def disable(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What it gave is gone at once."""
        app.installer.policy.check()
        disabled = app.extensions.disable(name)
        app.offers.uploads.forget(disabled.name)
        return {"extension": card_shape(app, disabled)}

    @router.post("/{name}/move")
    def move(name: str, body: MoveRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Where its filters stand among those of the others."""
        app.installer.policy.check()
        app.extensions.move(name, body.steps)
        return {"order": app.extensions.order}

    @router.get("/{name}/settings")
    def settings(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return settings_shape(app, name)

    @router.put("/{name}/settings")
    def set_settings(name: str, body: SettingsRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.installer.policy.check()
        app.extensions.set_settings(name, body.values)
        return settings_shape(app, name)

    return router


def refusal(app: App) -> str:
    try:
        app.installer.policy.check()
    except Forbidden as error:
        return str(error)
    return ""
