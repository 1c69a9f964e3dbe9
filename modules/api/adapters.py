"""/control/adapters: the adapters of a loaded model."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.services.adapters import AdapterStatus
from modules.types.generation import AdapterUse

AdapterName = Annotated[Text, Field(min_length=1, max_length=LIMITS.adapter_name_chars)]
ModelName = Annotated[Text, Field(min_length=1, max_length=500)]
Weight = Annotated[float, Field(ge=-LIMITS.adapter_weight, le=LIMITS.adapter_weight, allow_inf_nan=False)]


class AdapterChoice(WireModel):
    name: AdapterName
    weight: Weight = Field(default=1.0, description="How strongly it counts; 1 is what it was trained for.")

    def use(self) -> AdapterUse:
        return AdapterUse(self.name, self.weight)


AdapterChoices = Annotated[list[AdapterChoice], Field(max_length=LIMITS.adapters)]


class NameRequest(WireModel):
    name: AdapterName
    model: ModelName | None = None


class SetRequest(WireModel):
    adapters: AdapterChoices
    model: ModelName | None = None


def adapters_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/adapters", route_class=StrictRoute)

    @router.get("")
    def adapters(model: ModelName | None = None) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"adapters": [adapter_shape(status) for status in app.adapters.adapters(model)]}

    @router.post("/load")
    def load(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Answers when it is loaded; requests may name it from then on. A `note` says what came with it."""
        status = app.adapters.load(body.name, body.model)
        return {"adapter": adapter_shape(status), "note": app.adapters.note(body.model)}

    @router.post("/unload")
    def unload(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.adapters.unload(body.name, body.model)
        return {"status": "ok"}

    @router.post("/set")
    def switch_on(body: SetRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What requests get that name no adapters: these, and no others."""
        app.adapters.switch_on([choice.use() for choice in body.adapters], body.model)
        return {"status": "ok"}

    return router


def adapter_shape(status: AdapterStatus) -> dict[str, Any]:
    adapter = status.adapter
    return {
        "name": adapter.name,
        "base_model": adapter.base_model,
        "kind": adapter.kind,
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "targets": adapter.targets,
        "size_bytes": adapter.size_bytes,
        "problem": adapter.problem,
        "mark": adapter.mark,
        "loaded": status.loaded,
        "memory_bytes": status.memory_bytes,
        "weight": status.weight,
    }
