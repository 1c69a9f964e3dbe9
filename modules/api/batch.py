"""/control/runs: a prompt template over many inputs."""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from modules.api.prompts import TemplateName, Values, rendered_shape
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.outbound.targets import is_loopback
from modules.services.batch_runs import RowPreview, RunPlan
from modules.storage.tables import read_path, read_table
from modules.types.batch_runs import BatchRun, Table, TableFormat

RunName = Annotated[Text, Field(min_length=1, max_length=120)]
# What proxies add; a request that came through one may come from anywhere.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip")
CHUNK_CHARS = 64 * 1024


class InputFields(WireModel):
    """One of three: a file's text, its bytes in base64, or a path on this machine."""

    file_name: Annotated[Text, Field(max_length=255)] = "input.csv"
    content: Annotated[Text, Field(max_length=LIMITS.body_bytes)] | None = None
    content_base64: Annotated[Text, Field(max_length=LIMITS.body_bytes)] | None = None
    path: Annotated[Text, Field(max_length=LIMITS.path_chars)] | None = None
    pattern: Annotated[Text, Field(max_length=500)] = Field(
        default="", description="Which files of a folder, like *.txt, *.md."
    )

    def table(self, request: Request) -> Table:
        """Raises BadRequest naming what is wrong with the input."""
        given = [self.content, self.content_base64, self.path]
        if sum(one is not None for one in given) != 1:
            raise BadRequest("An input is one of `content`, `content_base64` and `path`.", field="content")
        if self.path is not None:
            require_this_machine(request)
            return read_path(self.path, self.pattern)
        return read_table(self.file_name, self.content_bytes())

    def content_bytes(self) -> bytes:
        if self.content_base64 is None:
            return (self.content or "").encode()
        try:
            return base64.b64decode(self.content_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest("content_base64 is not written in base64.", field="content_base64") from error


class PlanFields(InputFields):
    template: TemplateName
    columns: Annotated[dict[Text, Text], Field(max_length=20)] = Field(
        default_factory=dict[str, str], description="Variables and the columns they come from."
    )
    values: Values = Field(default_factory=dict[str, str], description="Variables that are the same for every row.")

    def plan(self) -> RunPlan:
        return RunPlan(self.template, self.columns, self.values)


class CreateRequest(PlanFields):
    name: Annotated[Text, Field(max_length=120)] = ""
    model: Annotated[Text, Field(max_length=LIMITS.model_name_chars)] | None = None
    format: TableFormat | None = None


class RunRequest(WireModel):
    name: RunName


class ResumeRequest(RunRequest):
    retry_failed: bool = False


def batch_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/runs", route_class=StrictRoute)

    @router.get("")
    def runs() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Newest first."""
        return {"runs": [run_shape(run) for run in app.runs.runs()]}

    @router.post("/columns")
    def columns(body: InputFields, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What an input holds, before anything is begun."""
        table = body.table(request)
        return {"columns": table.columns, "rows": len(table.rows), "first": table.rows[:3]}

    @router.post("/preview")
    def preview(body: PlanFields, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What the first three rows would be asked."""
        return {"previews": [preview_shape(one) for one in app.runs.preview(body.plan(), body.table(request))]}

    @router.post("/create")
    def create(body: CreateRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Begins at once; see /control/runs for how far it is."""
        run = app.runs.create(body.plan(), body.table(request), model=body.model, name=body.name, form=body.format)
        return {"run": run_shape(run)}

    @router.post("/stop")
    def stop(body: RunRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"run": run_shape(app.runs.stop(body.name))}

    @router.post("/resume")
    def resume(body: ResumeRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"run": run_shape(app.runs.resume(body.name, retry_failed=body.retry_failed))}

    @router.post("/delete")
    def delete(body: RunRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        app.runs.delete(body.name)
        return {"status": "ok"}

    @router.get("/{name}")
    def run(name: RunName) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"run": run_shape(app.runs.get(name))}

    @router.get("/{name}/result")
    def result(name: RunName, form: TableFormat | None = None, *, fields: bool = True) -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        """The result file; rows that are not done yet have no output. `form` is csv or jsonl."""
        chosen = form or app.runs.get(name).record.format
        lines = app.runs.result(name, chosen, with_fields=fields)
        return StreamingResponse(
            chunks(lines),
            media_type="text/csv; charset=utf-8" if chosen == "csv" else "application/x-ndjson",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{name}.{chosen}')}"},
        )

    return router


def chunks(lines: Iterator[str]) -> Iterator[bytes]:
    """Few large pieces instead of many small ones."""
    waiting: list[str] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= CHUNK_CHARS:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()


def require_this_machine(request: Request) -> None:
    """Files are named by their path from a browser or program on this machine alone. Raises BadRequest."""
    client = request.client.host if request.client else ""
    is_local = is_loopback(client) and is_loopback(request.url.hostname or "")
    if not is_local or any(name in request.headers for name in FORWARDED):
        raise BadRequest("A path can be used only on the machine that Parlor runs on; send the file.", field="path")


def run_shape(run: BatchRun) -> dict[str, Any]:
    return {
        **run.record.model_dump(exclude={"template_text"}),
        "state": run.state,
        "done": run.done,
        "failed": run.failed,
        "retriable": run.retriable,
        "failure": {"row": run.failure.row, "error": run.failure.error} if run.failure else None,
        "tokens_per_second": run.tokens_per_second,
        "seconds_left": run.seconds_left,
    }


def preview_shape(preview: RowPreview) -> dict[str, Any]:
    return {"prompt": rendered_shape(preview.rendered) if preview.rendered else None, "error": preview.error}
