"""The page's actions on adapters: those in the folder, and what a loaded model does with them."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.limits import LIMITS
from modules.services.adapters import AdapterStatus
from modules.types.generation import AdapterUse
from modules.ui.actions import View, action

AdapterName = Annotated[str, Field(min_length=1, max_length=LIMITS.adapter_name_chars)]
ModelName = Annotated[str, Field(min_length=1, max_length=500)]


class Values(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ListValues(Values):
    """None means the model used last among those that take adapters."""

    model: ModelName | None = None


class NameValues(Values):
    model: ModelName
    name: AdapterName


class Use(Values):
    name: AdapterName
    weight: Annotated[float, Field(ge=-LIMITS.adapter_weight, le=LIMITS.adapter_weight, allow_inf_nan=False)]


class SwitchValues(Values):
    """All that shall be switched on, and no others."""

    model: ModelName
    adapters: Annotated[list[Use], Field(max_length=LIMITS.adapters)]


class AdaptersTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (self.adapter_list, self.adapter_load, self.adapter_unload, self.adapter_switch)
        return {one.__name__: one for one in listed}

    @action(ListValues)
    def adapter_list(self, values: ListValues) -> View:
        """`model` is the one that the states are of, None where no loaded one takes adapters."""
        models = self._app.adapters.models()
        ids = [one.id for one in models]
        chosen = values.model if values.model in ids else next(iter(ids), None)
        return {
            "models": [{"id": one.id, "title": one.title} for one in models],
            "model": chosen,
            "adapters": [adapter_view(one) for one in self._app.adapters.adapters(chosen)],
            "note": self._app.adapters.note(chosen) if chosen else "",
            "largest_weight": LIMITS.adapter_weight,
            "most": LIMITS.adapters,
        }

    @action(NameValues)
    def adapter_load(self, values: NameValues) -> View:
        return {"adapter": adapter_view(self._app.adapters.load(values.name, values.model))}

    @action(NameValues)
    def adapter_unload(self, values: NameValues) -> View:
        self._app.adapters.unload(values.name, values.model)
        return {}

    @action(SwitchValues)
    def adapter_switch(self, values: SwitchValues) -> View:
        self._app.adapters.switch_on([AdapterUse(one.name, one.weight) for one in values.adapters], values.model)
        return {}


def adapter_view(status: AdapterStatus) -> View:
    """`weight` is None unless it is switched on; sizes in bytes."""
    adapter = status.adapter
    return {
        "name": adapter.name,
        "base_model": adapter.base_model,
        "kind": adapter.kind,
        "rank": adapter.rank,
        "size_bytes": adapter.size_bytes,
        "problem": adapter.problem,
        "mark": adapter.mark,
        "loaded": status.loaded,
        "memory_bytes": status.memory_bytes,
        "weight": status.weight,
    }
