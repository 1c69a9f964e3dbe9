"""The actions of the Models view on what is on this machine."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.ui.actions import View, action
from modules.ui.model_views import estimate_view, listed_view, trashed_view
from modules.ui.option_fields import option_fields

Name = Annotated[str, Field(min_length=1, max_length=500)]
NOTE_CHARS = 2000


class Nothing(BaseModel):
    """Where the name of the action says all."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ModelValues(Nothing):
    model: Name


class LoadValues(ModelValues):
    """None leaves the choice to the program."""

    engine: Annotated[str, Field(max_length=100)] | None = None
    options: Annotated[dict[str, Any], Field(max_length=100)] | None = None


class RenameValues(ModelValues):
    new_name: Annotated[str, Field(max_length=LIMITS.title_chars)]


class NoteValues(ModelValues):
    note: Annotated[str, Field(max_length=NOTE_CHARS)]


class FavouriteValues(ModelValues):
    favourite: bool


class TrashValues(Nothing):
    trash_id: Annotated[str, Field(min_length=1, max_length=200)]


class ModelsTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.models_list, self.models_needs,
            self.models_load, self.models_unload, self.models_form, self.models_estimate,
            self.models_rename, self.models_note, self.models_favourite,
            self.models_delete, self.models_restore, self.models_empty_trash,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action(Nothing)
    def models_list(self, _values: Nothing) -> View:
        app = self._app
        states = {status.id: status for status in app.models.statuses()}
        memory = app.models.memory()
        return {
            "models": [
                listed_view(listed, states.get(listed.model.id))
                for listed in (*app.library.models(), *app.library.built_in())
            ],
            "memory": {"used_bytes": memory.used_bytes, "budget_bytes": memory.budget_bytes},
            "trash": [trashed_view(trashed) for trashed in app.library.trash()],
        }

    @action(Nothing)
    def models_needs(self, _values: Nothing) -> View:
        """Bytes of memory that each model takes or would take, where that is known."""
        return {"needs": self._app.models.memory_needs()}

    # --- loading ---

    @action(LoadValues)
    def models_load(self, values: LoadValues) -> View:
        """Begins; the page follows the load by `chat_state`."""
        self._app.models.load(values.model, values.engine, values.options)
        return {}

    @action(ModelValues)
    def models_unload(self, values: ModelValues) -> View:
        """Also cancels a load."""
        self._app.models.unload(values.model)
        return {}

    @action(LoadValues)
    def models_form(self, values: LoadValues) -> View:
        """What the model can be loaded with: the engines, the chosen one's options, and what is remembered of them."""
        models = self._app.models
        model, kind, usual = models.planned(values.model, values.engine, {})
        names = {
            "chat_template": models.chat_templates(),
            "draft_model": [one.id for one in models.models() if one.format == "safetensors" and one.id != model.id],
        }
        return {
            "engines": [one.name for one in models.engines_for(model.id)],
            "engine": kind.name,
            "fields": option_fields(kind.options, usual, names, has_gpu=bool(self._app.oracle.machine().gpus)),
            "values": models.remembered(model, kind.name),
        }

    @action(LoadValues)
    def models_estimate(self, values: LoadValues) -> View:
        return estimate_view(self._app.models.estimate(values.model, values.engine, values.options))

    # --- the library ---

    @action(RenameValues)
    def models_rename(self, values: RenameValues) -> View:
        """The name alone is another; the model stays in its folder."""
        if "/" in values.new_name:
            message = "A name holds no /, which stands for a folder. A model keeps its folder when it is renamed."
            raise BadRequest(message, field="name")
        folder, slash, _ = values.model.rpartition("/")
        return {"model": self._app.library.rename(values.model, folder + slash + values.new_name).id}

    @action(NoteValues)
    def models_note(self, values: NoteValues) -> View:
        self._app.library.set_note(values.model, values.note)
        return {}

    @action(FavouriteValues)
    def models_favourite(self, values: FavouriteValues) -> View:
        self._app.library.set_favourite(values.model, values.favourite)
        return {}

    @action(ModelValues)
    def models_delete(self, values: ModelValues) -> View:
        return {"trashed": trashed_view(self._app.library.delete(values.model))}

    @action(TrashValues)
    def models_restore(self, values: TrashValues) -> View:
        return {"model": self._app.library.restore(values.trash_id).id}

    @action(Nothing)
    def models_empty_trash(self, _values: Nothing) -> View:
        return {"freed_bytes": self._app.library.empty_trash()}
