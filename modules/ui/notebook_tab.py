"""The notebook's actions: each takes the page's values and calls one service."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.limits import LIMITS
from modules.services.notebook import VERSIONS_SHOWN
from modules.types.document import Splice
from modules.ui.actions import Folder, View, action
from modules.ui.document_markup import Form, render_document
from modules.ui.notebook_views import (
    branch_view,
    document_view,
    hit_view,
    open_view,
    pieces_view,
    run_view,
    token_view,
    version_view,
)
from modules.ui.positions import Positions

MOST = 2**53
SEARCH_CHARS = 500
# Counting a longer text takes too long to do it once a second.
COUNTED_CHARS = 200_000

Id = Annotated[str, Field(max_length=64)]
Place = Annotated[int, Field(ge=0, le=MOST)]
ModelName = Annotated[str, Field(max_length=LIMITS.model_name_chars)]


class Values(BaseModel):
    """What the page may send with an action; each action reads its own. Places are in UTF-16 units."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: Id = ""
    version: Place = 0
    target: Place = 0
    before: Place | None = None
    start: Place = 0
    end: Place = 0
    removed: Place = 0
    text: str = ""
    title: Annotated[str, Field(max_length=LIMITS.title_chars)] = ""
    folder: Folder = ""
    new_folder: Folder = ""
    search: Annotated[str, Field(max_length=SEARCH_CHARS)] = ""
    model: ModelName | None = None
    cursor: Place | None = None
    form: Form = "markdown"
    mode: Literal["continue", "insert"] = "continue"
    count: Annotated[int, Field(ge=1, le=LIMITS.continuations)] = 1
    owner: Place = 0
    index: Place = 0
    choice: Place = 0
    memory: Annotated[str, Field(max_length=LIMITS.document_memory_chars)] = ""
    note: Annotated[str, Field(max_length=LIMITS.document_note_chars)] = ""
    note_depth: Annotated[int, Field(ge=1, le=LIMITS.document_note_depth)] = 3
    conversation: Id = ""


class NotebookTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._notebook = app.notebook

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.notebook_state, self.notebook_list, self.notebook_create, self.notebook_from_chat, self.notebook_open,
            self.notebook_rename, self.notebook_move, self.notebook_move_folder, self.notebook_settings,
            self.notebook_delete, self.notebook_restore,
            self.notebook_save, self.notebook_undo, self.notebook_redo, self.notebook_select,
            self.notebook_versions, self.notebook_branches, self.notebook_text,
            self.notebook_generate, self.notebook_regenerate, self.notebook_alternative, self.notebook_pick,
            self.notebook_stop,
            self.notebook_token, self.notebook_tokens, self.notebook_count, self.notebook_markup,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action(Values)
    def notebook_state(self, values: Values) -> View:
        """So that the page notices what another tab did."""
        state = self._notebook.state(values.id)
        if state is None:
            return {"revision": None}
        document, generations = state
        return {
            "revision": document.revision,
            "version": document.head,
            "generations": [{"id": one} for one in generations],
        }

    @action(Values)
    def notebook_list(self, values: Values) -> View:
        hits = self._notebook.documents(values.search, values.folder)
        return {"documents": [hit_view(hit) for hit in hits], "folders": self._notebook.folders()}

    @action(Values)
    def notebook_create(self, values: Values) -> View:
        return open_view(self._notebook.create(values.title, values.folder, values.text))

    @action(Values)
    def notebook_from_chat(self, values: Values) -> View:
        return open_view(self._notebook.from_conversation(values.conversation))

    @action(Values)
    def notebook_open(self, values: Values) -> View:
        return open_view(self._notebook.open(values.id))

    @action(Values)
    def notebook_rename(self, values: Values) -> View:
        return {"document": document_view(self._notebook.rename(values.id, values.title))}

    @action(Values)
    def notebook_move(self, values: Values) -> View:
        return {"document": document_view(self._notebook.move(values.id, values.folder))}

    @action(Values)
    def notebook_move_folder(self, values: Values) -> View:
        return {"folders": self._notebook.move_folder(values.folder, values.new_folder)}

    @action(Values)
    def notebook_settings(self, values: Values) -> View:
        changed = self._notebook.set_context(values.id, values.memory, values.note, values.note_depth)
        return {"document": document_view(changed)}

    @action(Values)
    def notebook_delete(self, values: Values) -> View:
        self._notebook.delete(values.id)
        return {}

    @action(Values)
    def notebook_restore(self, values: Values) -> View:
        return {"document": document_view(self._notebook.restore(values.id))}

    @action(Values)
    def notebook_save(self, values: Values) -> View:
        positions = self._positions(values.id, values.version)
        start = positions.character(values.start, "start")
        end = positions.character(values.start + values.removed, "removed")
        saved = self._notebook.save(values.id, values.version, Splice(start, end - start, values.text))
        document = self._notebook.document(values.id)
        is_short = saved.length <= COUNTED_CHARS
        counted = self._notebook.count(values.id, saved.id, values.model) if is_short else None
        return {
            "version": saved.id,
            "revision": document.revision,
            "updated": document.updated,
            "length": self._positions(values.id, saved.id).units(saved.length),
            "tokens": len(counted.tokens) if counted else None,
        }

    @action(Values)
    def notebook_undo(self, values: Values) -> View:
        return open_view(self._notebook.undo(values.id, values.version))

    @action(Values)
    def notebook_redo(self, values: Values) -> View:
        return open_view(self._notebook.redo(values.id, values.version))

    @action(Values)
    def notebook_select(self, values: Values) -> View:
        return open_view(self._notebook.select(values.id, values.version, values.target))

    @action(Values)
    def notebook_versions(self, values: Values) -> View:
        versions = self._notebook.versions(values.id, values.before)
        return {"versions": [version_view(one) for one in versions], "more": len(versions) == VERSIONS_SHOWN}

    @action(Values)
    def notebook_branches(self, values: Values) -> View:
        return {"branches": [branch_view(one) for one in self._notebook.branches(values.id)]}

    @action(Values)
    def notebook_text(self, values: Values) -> View:
        traced = self._notebook.text(values.id, values.version)
        positions = Positions(traced.text)
        return {"text": traced.text, "spans": [run_view(run, positions) for run in self._notebook.runs(traced)]}

    @action(Values)
    def notebook_generate(self, values: Values) -> View:
        cursor = (
            None
            if values.cursor is None
            else self._positions(values.id, values.version).character(values.cursor, "cursor")
        )
        return open_view(
            self._notebook.generate(
                values.id, values.version, values.model, cursor=cursor, mode=values.mode, count=values.count
            )
        )

    @action(Values)
    def notebook_regenerate(self, values: Values) -> View:
        """`target` is a version beside the head; without one, the head itself."""
        return open_view(
            self._notebook.regenerate(
                values.id, values.version, values.model, target=values.target or None, count=values.count
            )
        )

    @action(Values)
    def notebook_alternative(self, values: Values) -> View:
        return open_view(
            self._notebook.alternative(
                values.id, values.version, values.model, owner=values.owner, index=values.index, choice=values.choice
            )
        )

    @action(Values)
    def notebook_pick(self, values: Values) -> View:
        return open_view(self._notebook.pick(values.id, values.target))

    @action(Values)
    def notebook_stop(self, values: Values) -> View:
        self._notebook.stop(values.id)
        return {}

    @action(Values)
    def notebook_token(self, values: Values) -> View:
        return token_view(self._notebook.token(values.id, values.owner, values.index))

    @action(Values)
    def notebook_tokens(self, values: Values) -> View:
        positions = self._positions(values.id, values.version)
        start, end = positions.character(values.start, "start"), positions.character(values.end, "end")
        pieces = self._notebook.token_pieces(values.id, values.version, start, end, values.model)
        return pieces_view(pieces.result())

    @action(Values)
    def notebook_count(self, values: Values) -> View:
        counted = self._notebook.count(values.id, values.version, values.model)
        return {
            "tokens": len(counted.tokens) if counted else None,
            "context": self._notebook.context_length(values.model),
        }

    @action(Values)
    def notebook_markup(self, values: Values) -> View:
        """Of a text that need not be saved yet."""
        return {"html": render_document(values.text, values.form)}

    def _positions(self, document: str, version: int) -> Positions:
        return Positions(self._notebook.text(document, version).text)
