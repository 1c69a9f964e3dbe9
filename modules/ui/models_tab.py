"""The actions of the Models view on what is on this machine."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.ui.actions import View, action

Name = Annotated[str, Field(min_length=1, max_length=500)]


class ModelValues(BaseModel):
    """What the page may send with an action on a model; each action reads its own."""

    model_config = ConfigDict(strict=True, frozen=True, protected_namespaces=())

    model: Name
    engine: Annotated[str, Field(max_length=100)] | None = None
    options: dict[str, Any] | None = None


class ModelsTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (self.models_load, self.models_unload)
        return {one.__name__: one for one in listed}

    @action(ModelValues)
    def models_load(self, values: ModelValues) -> View:
        self._app.models.load(values.model, values.engine, values.options)
        return {}

    @action(ModelValues)
    def models_unload(self, values: ModelValues) -> View:
        """Also cancels a load."""
        self._app.models.unload(values.model)
        return {}
