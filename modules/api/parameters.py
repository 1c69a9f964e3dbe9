"""/control/parameters: what replies are written with, everywhere, of a model, of a conversation or document."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.presets import NameOrDefaults, Values
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.services.parameters import ScopedParameters
from modules.types.parameters import as_values
from modules.types.presets import Scope, ScopeKind

Target = Annotated[Text, Field(max_length=LIMITS.model_name_chars)]


class WireScope(WireModel):
    kind: ScopeKind
    target: Target = Field(default="", description="The id of the model, conversation or document.")

    def scope(self) -> Scope:
        return Scope(self.kind, self.target)


class ScopeRequest(WireModel):
    scope: WireScope


class NeutraliseRequest(ScopeRequest):
    model: Target = Field(default="", description="What a conversation without parameters of its own begins with.")


class ChangeRequest(NeutraliseRequest):
    changes: Values


class ChooseRequest(ScopeRequest):
    preset: NameOrDefaults = Field(description="Empty for the defaults.")


def parameters_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/parameters", route_class=StrictRoute)

    @router.get("")
    def current(model: Target = "", conversation: Target = "", document: Target = "") -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Those in use there, and those of every scope that has its own, the narrowest first."""
        scopes = app.parameters.scopes(model=model, conversation=conversation, document=document)
        shapes = [scoped_shape(scoped) for scoped in scopes]
        return {"current": shapes[0], "scopes": shapes}

    @router.get("/refusals")
    def refusals(model: Target) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Parameters that this model's engine does not have: a request that sets one is refused."""
        return {"refusals": app.parameters.refusals(model)}

    @router.post("/change")
    def change(body: ChangeRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"current": scoped_shape(app.parameters.change(body.scope.scope(), body.changes, body.model))}

    @router.post("/choose")
    def choose(body: ChooseRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A preset as it is; changes are forgotten."""
        return {"current": scoped_shape(app.parameters.choose(body.scope.scope(), body.preset))}

    @router.post("/neutralise")
    def neutralise(body: NeutraliseRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Nothing that chooses among tokens acts any more."""
        return {"current": scoped_shape(app.parameters.neutralise(body.scope.scope(), body.model))}

    @router.post("/bind")
    def bind(body: ChooseRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Parameters of its own for a model, conversation or document, which begin as this preset."""
        return {"current": scoped_shape(app.parameters.bind(body.scope.scope(), body.preset))}

    @router.post("/unbind")
    def unbind(body: ScopeRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.parameters.unbind(body.scope.scope())
        return {"status": "ok"}

    return router


def scoped_shape(scoped: ScopedParameters) -> dict[str, Any]:
    return {
        "scope": {"kind": scoped.scope.kind, "target": scoped.scope.target},
        "preset": scoped.preset,
        "changes": scoped.changes,
        "values": as_values(scoped.values),
        "problem": scoped.problem,
    }
