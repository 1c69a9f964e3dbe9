"""The chat page's actions: each takes the page's values and calls one service."""

import functools
from collections.abc import Callable
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modules.app import App
from modules.errors import ParlorError
from modules.limits import LIMITS
from modules.ui.views import MessageViews, View, conversation_view, hit_view, job_view

Id = Annotated[str, Field(max_length=64)]
MAX_KNOWN = 100_000
SEARCH_CHARS = 500
# What a person types, by the name the page sends it under.
TYPED = MappingProxyType({"text": "message", "title": "title", "search": "search"})


class Values(BaseModel):
    """What the page may send with an action; each action reads its own."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: Id | None = None
    revision: int = Field(default=0, ge=0, le=2**53)
    message_id: Id = ""
    generation_id: Id = ""
    job_id: Id = ""
    ids: Annotated[list[Id], Field(max_length=200)] = Field(default_factory=list[str])
    known: Annotated[list[Id], Field(max_length=MAX_KNOWN)] = Field(default_factory=list[str])
    text: Annotated[str, Field(max_length=LIMITS.message_chars)] = ""
    title: Annotated[str, Field(max_length=LIMITS.title_chars)] = ""
    search: Annotated[str, Field(max_length=SEARCH_CHARS)] = ""
    model: Annotated[str, Field(max_length=500)] | None = None

    @property
    def conversation(self) -> str:
        return self.id or ""


Action = Callable[["ChatTab", Values], View]


def action(method: Action) -> Callable[["ChatTab", Any], View]:
    """The page's edge: values are checked, and errors become something the page can show."""

    @functools.wraps(method)
    def act(tab: "ChatTab", values: Any) -> View:
        try:
            return method(tab, Values.model_validate(values))
        except ValidationError as error:
            return {"error": {"message": sentence_of(error), "code": "invalid_request"}}
        except ParlorError as error:
            return {"error": {"message": str(error), "code": error.code}}

    return act


def sentence_of(error: ValidationError) -> str:
    """What a person typed too long is named with its limit; anything else is the page's own mistake."""
    first = error.errors()[0]
    name = TYPED.get(str(first["loc"][0])) if first["loc"] else None
    limit = first.get("ctx", {}).get("max_length")
    if name and limit:
        return f"The {name} has more than {limit:,} characters, which is the limit."
    return "Parlor does not understand what this page asks. Reload the page and try again."


class ChatTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._views = MessageViews()

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.chat_state, self.chat_list, self.chat_open, self.chat_messages,
            self.chat_send, self.chat_regenerate, self.chat_edit, self.chat_version, self.chat_stop,
            self.chat_rename, self.chat_delete, self.chat_restore,
            self.chat_load, self.chat_unload, self.chat_starter, self.chat_cancel_job,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action
    def chat_state(self, values: Values) -> View:
        app = self._app
        status = app.models.status()
        starter = app.models.starter()
        model: View = {"id": None, "state": "none", "fraction": 0.0, "note": "", "error": "", "details": ""}
        if status is not None:
            model = {name: value for name, value in asdict(status).items() if name in model}
        return {
            "models": [
                {
                    "id": local.id,
                    "title": local.title,
                    "format": local.format,
                    "size_bytes": local.size_bytes,
                    "problem": local.problem,
                }
                for local in app.models.models()
            ],
            "model": model,
            "starter": {
                "present": starter.present,
                "size_bytes": starter.size_bytes,
                "job": job_view(starter.job),
            },
            "notices": list(app.notices),
            "persistent": app.persistent,
            # Of the open conversation, so that the page notices what another tab did to it.
            "revision": app.chat.revision(values.id) if values.id else None,
        }

    @action
    def chat_list(self, values: Values) -> View:
        return {"conversations": [hit_view(hit) for hit in self._app.chat.conversations(values.search)]}

    @action
    def chat_open(self, values: Values) -> View:
        return self._views.thread(self._app.chat.open(values.conversation), set(values.known))

    @action
    def chat_send(self, values: Values) -> View:
        shown = self._app.chat.send(values.id, values.text, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action
    def chat_regenerate(self, values: Values) -> View:
        shown = self._app.chat.regenerate(values.conversation, values.message_id, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action
    def chat_edit(self, values: Values) -> View:
        shown = self._app.chat.edit(values.conversation, values.message_id, values.text, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action
    def chat_version(self, values: Values) -> View:
        shown = self._app.chat.select_version(values.conversation, values.message_id, values.revision)
        return self._views.thread(shown, set(values.known))

    @action
    def chat_messages(self, values: Values) -> View:
        return {"messages": {one: self._views.view(self._app.chat.message(one)) for one in values.ids}}

    @action
    def chat_rename(self, values: Values) -> View:
        return {"conversation": conversation_view(self._app.chat.rename(values.conversation, values.title))}

    @action
    def chat_delete(self, values: Values) -> View:
        self._app.chat.delete(values.conversation)
        return {}

    @action
    def chat_restore(self, values: Values) -> View:
        return {"conversation": conversation_view(self._app.chat.restore(values.conversation))}

    @action
    def chat_stop(self, values: Values) -> View:
        self._app.chat.stop(values.generation_id)
        return {}

    @action
    def chat_load(self, values: Values) -> View:
        self._app.models.load(values.model or "")
        return {}

    @action
    def chat_unload(self, _values: Values) -> View:
        self._app.models.unload()
        return {}

    @action
    def chat_starter(self, _values: Values) -> View:
        """The page follows the job by `chat_state`, and loads the model when it is done."""
        return {"job": job_view(self._app.models.fetch_starter())}

    @action
    def chat_cancel_job(self, values: Values) -> View:
        return {"job": job_view(self._app.jobs.cancel(values.job_id))}
