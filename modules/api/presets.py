"""/control/presets: presets, shipped and of one's own."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.storage.files import NAME_CHARS

PresetName = Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)]
NameOrDefaults = Annotated[Text, Field(max_length=NAME_CHARS)]
Values = Annotated[dict[Text, Any], Field(max_length=LIMITS.preset_keys)]


class PresetRequest(WireModel):
    name: PresetName


class SaveRequest(PresetRequest):
    values: Values = Field(description="Parameters that differ from their defaults.")
    description: Annotated[Text, Field(max_length=LIMITS.preset_description_chars)] | None = None


class RenameRequest(PresetRequest):
    new_name: PresetName


class ImportRequest(PresetRequest):
    text: Annotated[Text, Field(max_length=LIMITS.preset_bytes)] = Field(
        description="A file of ours, or one that text-generation-webui wrote."
    )


class CompareRequest(WireModel):
    name: NameOrDefaults = Field(description="A preset; empty for the defaults.")
    other: NameOrDefaults


def presets_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/presets", route_class=StrictRoute)

    @router.get("")
    def presets() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"presets": [asdict(preset) for preset in app.presets.presets()], "deleted": app.presets.deleted()}

    @router.get("/{name}")
    def read(name: PresetName) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"preset": asdict(app.presets.get(name))}

    @router.post("/save")
    def save(body: SaveRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Under the name of a shipped one it takes that one's place, until it is restored."""
        return {"preset": asdict(app.presets.save(body.name, body.values, body.description))}

    @router.post("/rename")
    def rename(body: RenameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Whatever uses it follows."""
        return {"preset": asdict(app.presets.rename(body.name, body.new_name))}

    @router.post("/delete")
    def delete(body: PresetRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """`restore` undoes it. Whatever uses it keeps its values."""
        app.presets.delete(body.name)
        return {"status": "ok"}

    @router.post("/restore")
    def restore(body: PresetRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A shipped one as it shipped, a deleted one as it was."""
        return {"preset": asdict(app.presets.restore(body.name))}

    @router.post("/import")
    def import_preset(body: ImportRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Nothing in the text is ever run; what has no equal here is in the answer's `unknown`."""
        return {"preset": asdict(app.presets.import_text(body.name, body.text))}

    @router.post("/export")
    def export(body: PresetRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"text": app.presets.export_text(body.name)}

    @router.post("/compare")
    def compare(body: CompareRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Where they differ: each parameter with its value in one and in the other."""
        found = app.presets.compare(body.name, body.other)
        return {"differences": [{"parameter": name, "value": one, "other": two} for name, one, two in found]}

    return router
