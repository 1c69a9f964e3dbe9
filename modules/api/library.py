"""/control/library: the models on disk, what is remembered of them, and their trash."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.services.library import ListedModel
from modules.types.local_model import LocalModel

ModelName = Annotated[Text, Field(min_length=1, max_length=LIMITS.model_name_chars)]


class ModelRequest(WireModel):
    model: ModelName


class RenameRequest(ModelRequest):
    name: ModelName = Field(description="Its new name; a `/` stands for a folder.")


class NoteRequest(ModelRequest):
    text: Annotated[Text, Field(max_length=LIMITS.model_note_chars)]


class FavouriteRequest(ModelRequest):
    favourite: bool


class RestoreRequest(WireModel):
    id: Annotated[Text, Field(min_length=1, max_length=64)]


class ImportRequest(WireModel):
    path: Annotated[Text, Field(min_length=1, max_length=LIMITS.path_chars)]
    name: ModelName
    copy_files: bool = Field(default=False, alias="copy", description="Copy the files, or leave them where they are.")


def library_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/library", route_class=StrictRoute)

    @router.get("")
    def library() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {
            "models": [listed_shape(listed) for listed in app.library.models()],
            "trash": [asdict(trashed) for trashed in app.library.trash()],
        }

    @router.post("/rename")
    def rename(body: RenameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"model": model_shape(app.library.rename(body.model, body.name))}

    @router.post("/delete")
    def delete(body: ModelRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Into the trash; `restore` undoes it."""
        return {"trashed": asdict(app.library.delete(body.model))}

    @router.post("/restore")
    def restore(body: RestoreRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"model": model_shape(app.library.restore(body.id))}

    @router.post("/empty-trash")
    def empty_trash() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Nothing brings back what was in it."""
        return {"freed_bytes": app.library.empty_trash()}

    @router.post("/note")
    def set_note(body: NoteRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.library.set_note(body.model, body.text)
        return {"status": "ok"}

    @router.post("/favourite")
    def set_favourite(body: FavouriteRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.library.set_favourite(body.model, body.favourite)
        return {"status": "ok"}

    @router.post("/import")
    def import_model(body: ImportRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A link is there at once; a copy is a job to follow at /control/jobs."""
        return {"job": asdict(app.library.import_model(body.path, body.name, copy=body.copy_files))}

    @router.get("/found")
    def found() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Models of other programs on this machine, which can be imported by their path."""
        return {"models": [asdict(model) for model in app.library.found_elsewhere()]}

    return router


def listed_shape(listed: ListedModel) -> dict[str, Any]:
    remembered = {"favourite": listed.favourite, "note": listed.note, "last_used": listed.last_used}
    return {**model_shape(listed.model), **remembered}


def model_shape(model: LocalModel) -> dict[str, Any]:
    """Without paths: a model goes by its id."""
    return {
        "id": model.id,
        "title": model.title,
        "format": model.format,
        "size_bytes": model.size_bytes,
        "created": model.created,
        "problem": model.problem,
        "shape": asdict(model.shape),
        "quantization": model.quantization,
        "licence": model.licence,
        "has_chat_template": model.has_chat_template,
        "files": len(model.files),
        "has_projector": model.projector is not None,
        "folder": model.folder,
        "is_linked": model.is_linked,
    }
