"""/control/hub: search the model hub, look at a model, keep a token for it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.types.hub import HubChoice, HubFormat, HubModel, HubQuery, Sorting

Words = Annotated[Text, Field(max_length=LIMITS.hub_words_chars)]
Name = Annotated[Text, Field(min_length=1, max_length=LIMITS.hub_name_chars)]
Parameters = Annotated[int, Field(ge=0, le=LIMITS.hub_parameters)]


class SearchRequest(BaseModel):
    """In the address; an empty field does not narrow the search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Words = ""
    task: Words = ""
    format: HubFormat | None = None
    licence: Words = ""
    least_parameters: Parameters = 0
    most_parameters: Parameters = 0
    sorting: Sorting = "downloads"
    cursor: Annotated[Text, Field(max_length=LIMITS.hub_cursor_chars)] = ""

    def query(self) -> HubQuery:
        return HubQuery(**self.model_dump())


class TokenRequest(WireModel):
    token: Annotated[Text, Field(min_length=1, max_length=LIMITS.hub_token_chars, repr=False)]


def hub_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/hub", route_class=StrictRoute)

    @router.get("")
    def hub() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Which hub it is, and whether there is a token for it. Asks nobody."""
        return {
            "endpoint": app.hub.endpoint,
            "has_token": app.hub.has_token,
            "from_environment": app.hub.from_environment,
        }

    @router.get("/search")
    def search(asked: Annotated[SearchRequest, Query()]) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """`next` is the `cursor` of the next page; the other fields stay as they were."""
        return asdict(app.hub.search(asked.query()))

    @router.get("/model")
    def model(repository: Name, revision: Name = "main") -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return model_shape(app.hub.model(repository, revision))

    @router.get("/account")
    def account() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Asks the hub whose the token is; `user` is null when it does not accept it."""
        return asdict(app.hub.account())

    @router.post("/token")
    def set_token(body: TokenRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Kept when the hub accepts it, and sent to this hub alone."""
        return asdict(app.hub.set_token(body.token))

    @router.delete("/token")
    def forget_token() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.hub.forget_token()
        return {"status": "ok"}

    return router


def model_shape(model: HubModel) -> dict[str, Any]:
    return {**asdict(model), "choices": [choice_shape(choice) for choice in model.choices]}


def choice_shape(choice: HubChoice) -> dict[str, Any]:
    return {**asdict(choice), "size_bytes": choice.size_bytes}
