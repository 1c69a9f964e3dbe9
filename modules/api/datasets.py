"""/control/datasets: samples to train on, uploaded, looked at, checked."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from modules.api.batch import require_this_machine
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.api.uploads import received
from modules.app import App
from modules.services.datasets import ChosenConversations
from modules.training.samples import line_of
from modules.types.datasets import (
    ConversationChoice,
    DatasetCheck,
    DatasetLook,
    DataSource,
    Example,
)

JobId = Annotated[str, Field(max_length=64)]


class DatasetName(WireModel):
    name: Annotated[Text, Field(min_length=1, max_length=120)]


class HubName(WireModel):
    name: Annotated[Text, Field(min_length=1, max_length=500)]


class SourceFields(WireModel):
    source: Annotated[DataSource, Field(strict=False)]


class ChoiceFields(WireModel):
    choice: Annotated[ConversationChoice, Field(strict=False)]


def datasets_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/datasets", route_class=StrictRoute)

    @router.get("")
    def datasets() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What lies in data/datasets, by name."""
        return {"datasets": [asdict(one) for one in app.finetuning.datasets.datasets()]}

    @router.put("/files/{name}")
    async def upload(name: str, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The file's bytes as they are, of any content type."""
        return {"dataset": asdict(await received(lambda: app.finetuning.datasets.upload(name), request))}

    @router.post("/delete")
    def delete(body: DatasetName) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.finetuning.datasets.delete(body.name)
        return {"status": "ok"}

    @router.post("/look")
    def look(body: SourceFields, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What the first rows are taken for."""
        require_may_read(body.source, request)
        return {"look": look_shape(app.finetuning.datasets.look(body.source))}

    @router.post("/check")
    def check(body: SourceFields, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Every row; answers when all are read."""
        require_may_read(body.source, request)
        return {"check": check_shape(app.finetuning.datasets.check(body.source))}

    @router.post("/checks")
    def begin_check(body: SourceFields, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The same as a job, which is followed at /control/jobs: for data that is downloaded first."""
        require_may_read(body.source, request)
        return {"job": asdict(app.finetuning.checks.start(body.source))}

    @router.get("/checks/{job_id}")
    def check_of(job_id: JobId) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What such a job found, when it is done."""
        return {"check": check_shape(app.finetuning.checks.result(job_id))}

    @router.get("/hub")
    def downloaded() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What was downloaded of datasets on the hub, by name."""
        return {"datasets": [asdict(one) for one in app.finetuning.datasets.downloaded()]}

    @router.post("/hub/delete")
    def delete_downloaded(body: HubName) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What was downloaded of it."""
        app.finetuning.datasets.delete_downloaded(body.name)
        return {"status": "ok"}

    @router.post("/conversations")
    def conversations(body: ChoiceFields) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Which of the person's own conversations a choice means."""
        return conversations_shape(app.finetuning.datasets.conversations(body.choice))

    return router


def require_may_read(source: DataSource, request: Request) -> None:
    if source.path:
        require_this_machine(request)


def look_shape(look: DatasetLook) -> dict[str, Any]:
    return {
        "format": look.format,
        "is_certain": look.is_certain,
        "columns": [asdict(column) for column in look.columns],
        "mapping": dict(look.mapping),
        "first": [example_shape(example) for example in look.first],
        "problems": [asdict(problem) for problem in look.problems],
    }


def check_shape(check: DatasetCheck) -> dict[str, Any]:
    duplicates = [[one.row, one.of, one.file, one.of_file] for one in check.duplicates]
    return {**asdict(check), "duplicates": duplicates}


def example_shape(example: Example) -> dict[str, Any]:
    """What a sample has, with its turns named."""
    turns = {"turns": [asdict(turn) for turn in example.turns]} if example.turns else {}
    return {**line_of(example), **turns}


def conversations_shape(chosen: ChosenConversations) -> dict[str, Any]:
    first = [{"id": one.id, "title": one.title, "updated": one.updated} for one in chosen.first]
    return {"count": chosen.count, "messages": chosen.messages, "first": first, "folders": chosen.folders}
