"""The notebook: documents that people and models write together, and every state they were ever in."""

from concurrent.futures import Future
from dataclasses import dataclass

from modules.errors import BadRequest, NotFound
from modules.limits import LIMITS
from modules.prompts.document import DocumentContext
from modules.services.document_writer import DocumentWriter, LiveVersion, Mode
from modules.services.inference import Inference, TokenCount, TokenPiece
from modules.storage.conversations import ConversationStore, storable
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.types.document import Branch, Document, DocumentHit, Splice, TokenRun, TracedText, Version, WrittenToken

DELETED_KEPT_SECONDS = 30 * 24 * 3600
VERSIONS_SHOWN = 100
SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}


@dataclass(frozen=True)
class Writing:
    """A generation that makes text[:start] + prefix + what it writes + text[start + removed:] of the text shown."""

    generation_id: str
    version: int
    start: int
    removed: int
    prefix: str


@dataclass(frozen=True)
class DocumentView:
    """`version` is the head. While it is being written, `traced` is the text it is written into."""

    document: Document
    version: Version
    traced: TracedText
    runs: tuple[TokenRun, ...]
    can_undo: bool
    can_redo: bool
    writing: tuple[Writing, ...]


class NotebookService:
    """Any thread may call. Every change of a text names the version it was made on, `base`.

    Where that is not the head any more, or while the document is being written, Conflict is raised and nothing changes.
    """

    def __init__(
        self,
        documents: DocumentStore,
        versions: VersionStore,
        conversations: ConversationStore,
        writer: DocumentWriter,
        inference: Inference,
    ) -> None:
        self._documents = documents
        self._versions = versions
        self._conversations = conversations
        self._writer = writer
        self._inference = inference
        versions.interrupted()
        documents.purge(DELETED_KEPT_SECONDS)

    def documents(self, search: str = "", folder: str = "") -> list[DocumentHit]:
        """Newest first, those in a folder and below it; with words, those that hold them all, best first."""
        if search.strip():
            return self._documents.search(search, folder)
        return [DocumentHit(document, "") for document in self._documents.listed(folder)]

    def folders(self) -> list[str]:
        return self._documents.folders()

    def create(self, title: str = "", folder: str = "", text: str = "") -> DocumentView:
        text = typed(text)
        check_length(len(text))
        return self.open(self._documents.create(title, folder, text).id)

    def from_conversation(self, conversation_id: str) -> DocumentView:
        """A new document with what was said, as plain text."""
        title = self._conversations.get(conversation_id).title
        said = [f"{SPEAKERS[one.role]}:\n{one.content}" for one in self._conversations.path(conversation_id)]
        return self.create(title, text="\n\n".join(said))

    def rename(self, document_id: str, title: str) -> Document:
        return self._documents.rename(document_id, title)

    def move(self, document_id: str, folder: str) -> Document:
        return self._documents.move(document_id, folder)

    def move_folder(self, folder: str, new_folder: str) -> list[str]:
        """Returns the folders there are then."""
        self._documents.move_folder(folder, new_folder)
        return self._documents.folders()

    def set_context(self, document_id: str, memory: str, note: str, note_depth: int) -> Document:
        """What models read besides the text: see Document."""
        return self._documents.set_context(document_id, typed(memory), typed(note), note_depth)

    def delete(self, document_id: str) -> None:
        """Undone by `restore`; what is being written into it is stopped."""
        self._writer.stop(document_id)
        self._documents.delete(document_id)

    def restore(self, document_id: str) -> Document:
        return self._documents.restore(document_id)

    def document(self, document_id: str) -> Document:
        return self._documents.get(document_id)

    def open(self, document_id: str) -> DocumentView:
        document = self._documents.get(document_id)
        running = self._writer.running(document)
        head_is_written = any(live.record.version.id == document.head for live in running)
        traced = self._versions.text(document_id, document.head, without_written=head_is_written)
        return DocumentView(
            document,
            self._versions.get(document_id, document.head),
            traced,
            tuple(self._versions.runs(traced)),
            *self._versions.can_step(document_id),
            tuple(writing_of(live, document.head) for live in running),
        )

    def context(self, document_id: str) -> DocumentContext:
        """What a model reads before it continues the text at its end."""
        document = self._documents.get(document_id)
        text = self._versions.text(document_id, document.head).text
        return DocumentContext(document.memory, text, document.note, document.note_depth)

    def state(self, document_id: str) -> tuple[Document, tuple[str, ...]] | None:
        """The document and the generations that write into it; None when it is gone."""
        try:
            document = self._documents.get(document_id)
        except NotFound:
            return None
        return document, tuple(live.generation.id for live in self._writer.running(document))

    def text(self, document_id: str, version: int) -> TracedText:
        """Of any version."""
        return self._versions.text(document_id, version)

    def runs(self, traced: TracedText) -> list[TokenRun]:
        """The generated tokens that still stand in a text."""
        return self._versions.runs(traced)

    def save(self, document_id: str, base: int, splice: Splice) -> Version:
        """What a person typed; the new head."""
        self._writer.require_quiet(self._documents.get(document_id))
        splice = Splice(splice.start, splice.removed, typed(splice.inserted))
        before = self._versions.get(document_id, base).length
        check_length(before - splice.removed + len(splice.inserted), before)
        return self._versions.append(document_id, base, splice)

    def undo(self, document_id: str, base: int) -> DocumentView:
        """Show what was shown before the last change, whatever it was."""
        self._writer.require_quiet(self._documents.get(document_id))
        self._versions.undo(document_id, base)
        return self.open(document_id)

    def redo(self, document_id: str, base: int) -> DocumentView:
        self._writer.require_quiet(self._documents.get(document_id))
        self._versions.redo(document_id, base)
        return self.open(document_id)

    def select(self, document_id: str, base: int, target: int) -> DocumentView:
        """Show any version."""
        self._writer.require_quiet(self._documents.get(document_id))
        self._versions.select(document_id, base, target)
        return self.open(document_id)

    def versions(self, document_id: str, before: int | None = None) -> list[Version]:
        """The newest of those older than `before`, at most VERSIONS_SHOWN."""
        head = self._documents.get(document_id).head
        return self._versions.versions(document_id, head, before=before, limit=VERSIONS_SHOWN)

    def branches(self, document_id: str) -> list[Branch]:
        return self._versions.branches(document_id, self._documents.get(document_id).head)

    def generate(
        self, document_id: str, base: int, model: str | None, *, cursor: int | None, mode: Mode, count: int = 1
    ) -> DocumentView:
        """Go on writing at the cursor, or at the end; "continue" drops what stands after it, "insert" keeps it.

        Of several continuations none is shown before `pick`.
        """
        self._writer.generate(self._documents.get(document_id), base, model, cursor=cursor, mode=mode, count=count)
        return self.open(document_id)

    def regenerate(
        self, document_id: str, base: int, model: str | None, *, target: int | None = None, count: int = 1
    ) -> DocumentView:
        """Write a generated version anew, beside it: the head, or one of the continuations that wait to be picked."""
        document = self._documents.get(document_id)
        self._writer.regenerate(document, base, model, target=base if target is None else target, count=count)
        return self.open(document_id)

    def alternative(
        self, document_id: str, base: int, model: str | None, *, owner: int, index: int, choice: int
    ) -> DocumentView:
        """Write on from another token in the place of token `index` of the version `owner`; what followed it goes."""
        document = self._documents.get(document_id)
        self._writer.alternative(document, base, model, owner=owner, index=index, choice=choice)
        return self.open(document_id)

    def pick(self, document_id: str, target: int) -> DocumentView:
        """Show one of several continuations, written or being written; the others are stopped."""
        self._writer.pick(self._documents.get(document_id), target)
        return self.open(document_id)

    def stop(self, document_id: str) -> None:
        """End what is being written into it; what was written stays."""
        self._writer.stop(document_id)

    def live(self, generation_id: str) -> LiveVersion:
        """A version that is being written, or was a moment ago; NotFound otherwise."""
        return self._writer.live(generation_id)

    def written(self, live: LiveVersion) -> Version | None:
        """The version as it was saved; None when nothing was written, so that it was not kept."""
        try:
            return self._versions.get(live.owner, live.record.version.id)
        except NotFound:
            return None

    def token(self, document_id: str, owner: int, index: int) -> WrittenToken:
        """A generated token with its alternatives, also while its version is being written."""
        return self._writer.token(document_id, owner, index)

    def token_pieces(
        self, document_id: str, version: int, start: int, end: int, model: str | None
    ) -> Future[tuple[TokenPiece, ...]]:
        """Of a selection, as the model would read it alone; loads the model if need be."""
        if end - start > LIMITS.selected_chars:
            raise BadRequest(
                f"{end - start:,} characters are selected; {LIMITS.selected_chars:,} is the limit.", field="end"
            )
        return self._inference.token_pieces(self._versions.text(document_id, version).text[start:end], model)

    def count(self, document_id: str, version: int, model: str | None) -> TokenCount | None:
        """The text's tokens, by a model that is loaded already; None otherwise."""
        return self._inference.count_if_loaded(self._versions.text(document_id, version).text, model)

    def context_length(self, model: str | None) -> int:
        """In tokens, of a model that is loaded already; 0 while nobody knows."""
        return self._inference.context_if_loaded(model)

    def close(self) -> None:
        self._writer.close()


def writing_of(live: LiveVersion, head: int) -> Writing:
    """The text shown of a head that is being written ends where that begins; others are still to be put in."""
    version, kept = live.record.version, live.record.kept
    if version.id == head:
        return Writing(live.generation.id, version.id, version.start + len(kept), 0, "")
    return Writing(live.generation.id, version.id, version.start, version.removed, kept)


def typed(text: str) -> str:
    """As documents hold it: lines end in a line feed alone. Raises BadRequest for what is no text."""
    return storable(text, "text").replace("\r\n", "\n").replace("\r", "\n")


def check_length(length: int, before: int = 0) -> None:
    """Raises BadRequest for a text that grows beyond the limit."""
    if length > max(LIMITS.document_chars, before):
        raise BadRequest(
            f"The document would have {length:,} characters; {LIMITS.document_chars:,} is the limit.", field="text"
        )
