"""The chat page's actions: each takes the page's values and calls one service."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.limits import LIMITS
from modules.types.tools import ChosenTools, Decision, ToolMode
from modules.ui.actions import Folder, View, action
from modules.ui.model_views import picker_views, suggested
from modules.ui.views import MessageViews, conversation_view, hit_view, job_view, tool_view

Id = Annotated[str, Field(max_length=64)]
ToolId = Annotated[str, Field(max_length=200)]
MAX_KNOWN = 100_000
SEARCH_CHARS = 500


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
    folder: Folder = ""
    new_folder: Folder = ""
    model: Annotated[str, Field(max_length=500)] | None = None
    tools: Annotated[list[ToolId], Field(max_length=LIMITS.tools)] = Field(default_factory=list[ToolId])
    tool_mode: ToolMode = "free"
    call_id: Annotated[str, Field(max_length=200)] = ""
    decision: Decision = "no"

    @property
    def chosen_tools(self) -> ChosenTools:
        return ChosenTools(tuple(self.tools), self.tool_mode)

    @property
    def conversation(self) -> str:
        return self.id or ""


class ChatTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._views = MessageViews()

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.chat_state, self.chat_list, self.chat_open, self.chat_messages,
            self.chat_send, self.chat_regenerate, self.chat_continue, self.chat_edit, self.chat_edit_reply,
            self.chat_version, self.chat_stop,
            self.chat_rename, self.chat_move, self.chat_move_folder, self.chat_delete, self.chat_restore,
            self.chat_starter, self.chat_cancel_job,
            self.chat_tools, self.chat_choose_tools, self.chat_decide, self.chat_cancel_call,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action(Values)
    def chat_state(self, values: Values) -> View:
        app = self._app
        models = app.models.models()
        starter = app.models.starter()
        return {
            "models": picker_views(app, models),
            "suggested": suggested(app, models),
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

    @action(Values)
    def chat_list(self, values: Values) -> View:
        chat = self._app.chat
        return {
            "conversations": [hit_view(hit) for hit in chat.conversations(values.search)],
            "folders": chat.folders(),
        }

    @action(Values)
    def chat_open(self, values: Values) -> View:
        return self._views.thread(self._app.chat.open(values.conversation), set(values.known))

    @action(Values)
    def chat_send(self, values: Values) -> View:
        shown = self._app.chat.send(values.id, values.text, values.model, values.revision, values.chosen_tools)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_regenerate(self, values: Values) -> View:
        shown = self._app.chat.regenerate(values.conversation, values.message_id, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_continue(self, values: Values) -> View:
        shown = self._app.chat.continue_reply(values.conversation, values.message_id, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_edit(self, values: Values) -> View:
        shown = self._app.chat.edit(values.conversation, values.message_id, values.text, values.model, values.revision)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_edit_reply(self, values: Values) -> View:
        shown = self._app.chat.edit_reply(values.conversation, values.message_id, values.text, values.revision)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_version(self, values: Values) -> View:
        shown = self._app.chat.select_version(values.conversation, values.message_id, values.revision)
        return self._views.thread(shown, set(values.known))

    @action(Values)
    def chat_messages(self, values: Values) -> View:
        return {"messages": {one: self._views.view(self._app.chat.message(one)) for one in values.ids}}

    @action(Values)
    def chat_rename(self, values: Values) -> View:
        return {"conversation": conversation_view(self._app.chat.rename(values.conversation, values.title))}

    @action(Values)
    def chat_move(self, values: Values) -> View:
        return {"conversation": conversation_view(self._app.chat.move(values.conversation, values.folder))}

    @action(Values)
    def chat_move_folder(self, values: Values) -> View:
        self._app.chat.move_folder(values.folder, values.new_folder)
        return {}

    @action(Values)
    def chat_delete(self, values: Values) -> View:
        self._app.chat.delete(values.conversation)
        return {}

    @action(Values)
    def chat_restore(self, values: Values) -> View:
        return {"conversation": conversation_view(self._app.chat.restore(values.conversation))}

    @action(Values)
    def chat_stop(self, values: Values) -> View:
        self._app.chat.stop(values.generation_id)
        return {}

    @action(Values)
    def chat_tools(self, values: Values) -> View:
        """All there are, and which of them the conversation has; none for one that is not begun."""
        app = self._app
        chosen = app.tools.chosen(values.conversation)
        return {"tools": [tool_view(one) for one in app.tools.available()], "ids": chosen.ids, "mode": chosen.mode}

    @action(Values)
    def chat_choose_tools(self, values: Values) -> View:
        self._app.chat.open(values.conversation)
        self._app.tools.choose(values.conversation, values.chosen_tools)
        return {}

    @action(Values)
    def chat_decide(self, values: Values) -> View:
        self._app.tool_replies.decide(values.generation_id, values.call_id, values.decision)
        return {}

    @action(Values)
    def chat_cancel_call(self, values: Values) -> View:
        self._app.tool_replies.cancel_call(values.generation_id, values.call_id)
        return {}

    @action(Values)
    def chat_starter(self, _values: Values) -> View:
        """The page follows the job by `chat_state`, and loads the model when it is done."""
        return {"job": job_view(self._app.models.fetch_starter())}

    @action(Values)
    def chat_cancel_job(self, values: Values) -> View:
        return {"job": job_view(self._app.jobs.cancel(values.job_id))}
