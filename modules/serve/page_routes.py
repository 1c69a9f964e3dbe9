"""What the page asks beside its actions: streams of what is being written, and files to keep."""

from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from modules.api.sse import KEEP_ALIVE, KEEP_ALIVE_SECONDS, EventStream, frame
from modules.app import App
from modules.ui.exports import ExportFile, ExportForm, export_conversation, export_document
from modules.ui.live_view import live_updates
from modules.ui.notebook_stream import notebook_updates

FRESH = MappingProxyType({"Cache-Control": "no-store"})


def page_routes(app: App) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/ui/generations/{generation_id}/events")
    async def follow(generation_id: str, _request: Request) -> EventStream:  # pyright: ignore[reportUnusedFunction]
        """What the page shows while a reply is written. A reader that leaves stops nothing."""
        reply = app.chat.reply(generation_id)

        async def frames() -> AsyncIterator[bytes]:
            async for update in live_updates(app, reply, KEEP_ALIVE_SECONDS):
                yield frame(update) if update else KEEP_ALIVE

        return EventStream(frames())

    @router.get("/ui/notebook/generations/{generation_id}/events")
    async def follow_version(generation_id: str, _request: Request) -> EventStream:  # pyright: ignore[reportUnusedFunction]
        """The same of a document."""
        live = app.notebook.live(generation_id)

        async def frames() -> AsyncIterator[bytes]:
            async for update in notebook_updates(app, live, KEEP_ALIVE_SECONDS):
                yield frame(update) if update else KEEP_ALIVE

        return EventStream(frames())

    @router.get("/ui/documents/{document_id}/export")
    def save_document(document_id: str, form: Annotated[ExportForm, Query(alias="format")]) -> Response:  # pyright: ignore[reportUnusedFunction]
        """What is shown of a document now, as a file."""
        return download(export_document(app, document_id, form))

    @router.get("/ui/conversations/{conversation_id}/export")
    def save_conversation(conversation_id: str, form: Annotated[ExportForm, Query(alias="format")]) -> Response:  # pyright: ignore[reportUnusedFunction]
        """The same of a conversation."""
        return download(export_conversation(app, conversation_id, form))

    @router.get("/ui/extensions/{name}/page.css")
    def style(name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        """What an enabled extension adds to the page's look."""
        return Response(app.offers.looks.text(name, "css"), media_type="text/css", headers=FRESH)

    @router.get("/ui/extensions/{name}/page.js")
    def script(name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        """A module that an enabled extension adds to the page."""
        return Response(app.offers.looks.text(name, "js"), media_type="text/javascript", headers=FRESH)

    return router


def download(file: ExportFile) -> Response:
    return Response(file.content, media_type=file.media_type, headers={"Content-Disposition": file.disposition})
