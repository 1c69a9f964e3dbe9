"""/control/training/recipes: recipes of finetuning by name."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.storage.files import NAME_CHARS

Name = Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)]
Fields = Annotated[dict[Text, Any], Field(max_length=LIMITS.preset_keys)]


class NameRequest(WireModel):
    name: Name


class SaveRequest(NameRequest):
    recipe: Fields
    description: Annotated[Text, Field(max_length=LIMITS.preset_description_chars)] = ""


def recipes_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/training/recipes", route_class=StrictRoute)
    store = app.finetuning.recipes

    @router.get("")
    def recipes() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        shapes = [
            {
                "name": one.name,
                "description": one.description,
                "is_shipped": one.is_shipped,
                "recipe": one.fields,
                "problem": one.problem,
            }
            for one in store.recipes()
        ]
        return {"recipes": shapes}

    @router.post("/save")
    def save(body: SaveRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Under the name of a shipped one it takes that one's place, until it is deleted."""
        store.save(body.name, given(body.recipe), body.description)
        return {"status": "ok"}

    @router.post("/delete")
    def delete_recipe(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        store.delete(body.name)
        return {"status": "ok"}

    return router


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
