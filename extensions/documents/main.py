"""Documents: answers from a person's own files, with the passages they rest on."""

from collections.abc import Sequence

from pydantic import BaseModel

from modules.extensions import (
    DocumentReader,
    ExtensionHost,
    Message,
    Panel,
    RequestContext,
    Route,
    RouteAnswer,
    RouteRequest,
    StreamTransformer,
    Tab,
    hook,
)

from .desk import Desk
from .pages import passage_page
from .panel import collection_panel
from .reading.child import document_readers as own_readers
from .settings import DocumentSettings
from .tab import documents_tab


class Extension:
    """Between `started` and `stopping` there is a desk."""

    desk: Desk | None = None

    @property
    def open_desk(self) -> Desk:
        assert self.desk is not None, "the extension has not been started"
        return self.desk


EXTENSION = Extension()


@hook
def started(host: ExtensionHost) -> None:
    EXTENSION.desk = Desk(host)


@hook
def stopping() -> None:
    desk, EXTENSION.desk = EXTENSION.desk, None
    if desk is not None:
        desk.close()


@hook
def settings_model() -> type[BaseModel]:
    return DocumentSettings


@hook
def document_readers() -> Sequence[DocumentReader]:
    return own_readers()


@hook
def filter_messages(messages: tuple[Message, ...], context: RequestContext) -> tuple[Message, ...]:
    return EXTENSION.open_desk.filter_messages(messages, context)


class Unmarked:
    """The transformer of a reply that rests on no documents."""

    def feed(self, text: str) -> str:
        return text

    def end(self) -> str:
        return ""


@hook
def stream_transformer(context: RequestContext) -> StreamTransformer:
    return EXTENSION.open_desk.marking(context) or Unmarked()


@hook
def tabs() -> Sequence[Tab]:
    return (Tab("documents", "Documents", lambda event: documents_tab(EXTENSION.open_desk, event)),)


@hook
def panels() -> Sequence[Panel]:
    return (Panel("documents", "Documents", lambda event: collection_panel(EXTENSION.open_desk, event)),)


@hook
def routes() -> Sequence[Route]:
    return (Route("passages", answer_passage),)


def answer_passage(request: RouteRequest) -> RouteAnswer:
    number = request.path.strip("/")
    around = EXTENSION.open_desk.store.neighbourhood(int(number)) if number.isascii() and number.isdigit() else []
    if not around:
        return RouteAnswer("<!doctype html><title>Gone</title><p>This passage is no longer there.</p>", HTML, 404)
    return RouteAnswer(passage_page(int(number), around), HTML)


HTML = "text/html; charset=utf-8"
