"""/control/extensions: installing, updating, going back and removing, each after its plan was seen."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from modules.api.batch import require_this_machine
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.services.extension_plans import InstallPlan
from modules.services.extension_sources import SOURCE_CHARS
from modules.types.extension_installs import InstallRecord

LOCAL = ("/", "~", "file:")


class PlanRequest(WireModel):
    source: Annotated[Text, Field(min_length=1, max_length=SOURCE_CHARS)] = Field(
        description="A git address, perhaps with #TAG; a folder's or zip file's path on this machine; a package's name."
    )


class ConsentRequest(WireModel):
    plan_id: Annotated[Text, Field(pattern=r"^[0-9a-f]{64}$")] = Field(description="Of exactly what was shown.")


class FileRequest(ConsentRequest):
    path: Annotated[Text, Field(min_length=1, max_length=SOURCE_CHARS)] = Field(description="As the plan lists it.")


def extensions_router(app: App) -> APIRouter:
    """Paths of one word come first, so include it before the routes of single extensions."""
    router = APIRouter(prefix="/control/extensions", route_class=StrictRoute)
    installer = app.installer

    @router.get("/gallery")
    def gallery(words: str = "") -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Known extensions; `problems` says which entries were passed over, and why."""
        found = app.gallery.search(words[:SOURCE_CHARS])
        return {"entries": [entry.model_dump() for entry in found.entries], "problems": found.problems}

    @router.get("/installed")
    def installed() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """From where each was installed, and which version `rollback` brings back."""
        earlier = installer.earlier()
        return {
            "installed": [
                {**record_shape(record), "earlier": record_shape(earlier[name]) if name in earlier else None}
                for name, record in installer.records().items()
            ]
        }

    @router.post("/plan")
    def plan(body: PlanRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Everything a person should see before they say yes. Nothing of it is run."""
        installer.policy.check()
        require_may_read(app, body.source, request)
        return {"plan": plan_shape(installer.plan(body.source))}

    @router.post("/plan/file")
    def file(body: FileRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What a file of a plan says, to be read before the yes."""
        return {"text": installer.text(body.plan_id, body.path)}

    @router.post("/install")
    def install(body: ConsentRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The yes to a plan, of an update too; the job is followed at /control/jobs."""
        return {"job": asdict(installer.install(body.plan_id))}

    @router.post("/forget")
    def forget(body: ConsentRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The no: what was fetched is gone."""
        installer.forget(body.plan_id)
        return {"status": "ok"}

    @router.post("/{name}/update")
    def update(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A plan from where it came from; `is_current` when the very same files are installed."""
        return {"plan": plan_shape(installer.plan_update(name))}

    @router.post("/{name}/rollback")
    def rollback(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """To the version before, at once."""
        return {"installed": record_shape(installer.rollback(name))}

    @router.delete("/{name}")
    def remove(name: str, *, keep_data: bool = False) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Every version, its packages and settings, and what it kept unless that is wanted."""
        installer.remove(name, keep_data=keep_data)
        return {"status": "ok"}

    return router


def require_may_read(app: App, source: str, request: Request) -> None:
    """Paths are for those at this machine, but for files that were just sent. Raises BadRequest."""
    text = source.strip()
    was_sent = Path(text).resolve().is_relative_to(app.paths.extension_uploads.resolve())
    if text.startswith(LOCAL) and not was_sent:
        require_this_machine(request)


def plan_shape(plan: InstallPlan) -> dict[str, Any]:
    return {
        **asdict(plan),
        "manifest": plan.manifest.model_dump(),
        "size_bytes": plan.size_bytes,
        "is_current": plan.change is not None and plan.change.is_empty,
    }


def record_shape(record: InstallRecord) -> dict[str, Any]:
    return {**asdict(record), "source": str(record.source), "kind": record.source.kind}
