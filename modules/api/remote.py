"""/control/remote: servers that run models for us."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS

ServerName = Annotated[Text, Field(min_length=1, max_length=LIMITS.server_name_chars)]


class AddRequest(WireModel):
    name: ServerName
    address: Annotated[Text, Field(min_length=1, max_length=2000)] = Field(
        description="http(s)://host[:port][/base], with or without /v1 at its end."
    )
    api_key: Annotated[Text, Field(max_length=LIMITS.server_key_chars)] = Field(
        default="", description="Sent to this server alone, and never shown again."
    )


class NameRequest(WireModel):
    name: ServerName


def remote_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/remote", route_class=StrictRoute)

    @router.get("")
    def servers() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"servers": [asdict(server) for server in app.remote.servers()]}

    @router.post("/add")
    def add(body: AddRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Asks the server for its models. One that does not answer is kept all the same, with its `error`."""
        return {"server": asdict(app.remote.add(body.name, body.address, body.api_key))}

    @router.post("/refresh")
    def refresh(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"server": asdict(app.remote.refresh(body.name))}

    @router.post("/remove")
    def remove(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Unloads its models and forgets its key."""
        app.remote.remove(body.name)
        return {"status": "ok"}

    return router
