"""What runs while the extension is enabled: store, search, indexing, and the replies that are being marked."""

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

from modules.extensions import ExtensionHost, Message, Progress, RequestContext

from .answering import Answering, Marking, questions_of, with_passages
from .embedding import MODEL, Embedder
from .indexing import Cancelled, Indexer, Report
from .search import Found, Search, unpacked
from .settings import DocumentSettings
from .splitting import length
from .store import Collection, Document, Store
from .support import evidence

WORDS_PER_PASSAGE = 200
# Short passages leave room for others: at most this many where a long one would be.
MOST_PASSAGES = 2
RESULTS = 8
# A short question that some passage is as near to is a question of its own. Measured on Python's reference: the nearest
# to "And when?", "Tell me more." and their like is at 0.12 to 0.35, to whole questions of four words at 0.48 to 0.81.
STANDS_ALONE = 0.42
# Replies whose marks are remembered at once; those that never came are forgotten.
ANSWERS = 64

FETCHING = "fetching the embedding model"

Work = Callable[[Report, Cancelled], None]


class Desk:
    """Any thread may call."""

    def __init__(self, host: ExtensionHost) -> None:
        self._host = host
        self.store = Store(host.data / "documents.sqlite3")
        self.embedder = Embedder(host)
        self.search = Search(self.store, self.embedder.embed)
        self._indexer = Indexer(self.store, host.readers, self.embedder)
        self._files = host.data / "files"
        self._lock = threading.Lock()
        self._at_work = threading.Lock()
        self._progress: Progress | None = None
        # The titles of work that has begun or waits for its turn.
        self._under_way: set[str] = set()
        self._answering: dict[str, Answering] = {}
        # Chosen on a page that shows no conversation yet.
        self._next: frozenset[int] = frozenset()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="documents")
        self._closed = threading.Event()
        self._forget_conversations()

    def close(self) -> None:
        """Work in the background ends after the file or batch it is at; the store closes then."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)
        with self._at_work:
            self.store.close()

    # Documents

    @property
    def progress(self) -> Progress | None:
        """None while nothing is done."""
        return self._progress or (Progress("starting") if self._under_way else None)

    @property
    def wants_model(self) -> bool:
        """Whether the embedding model is neither here nor on its way."""
        return not self.embedder.is_here and FETCHING not in self._under_way

    def add_upload(self, collection_id: int, upload: Path) -> None:
        """Keeps a copy, for what was sent is deleted sooner or later."""
        folder = self._files / str(collection_id)
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / upload.name
        shutil.copyfile(upload, copy)
        self.add(collection_id, copy)

    def add(self, collection_id: int, path: Path) -> None:
        """A file or folder, read in the background. Raises ValueError."""
        path = path.expanduser()
        if not path.exists():
            raise ValueError(f"There is no file or folder {path}.")
        self._read(f"reading {path.absolute()}", collection_id, [path])

    def refresh(self, collection_id: int) -> None:
        """Reads again what has changed, and forgets what is no longer there."""
        documents = self.store.documents(collection_id)
        for document in documents:
            if not document.path.exists():
                self.remove(document)
        there = [document.path for document in documents if document.path.exists()]
        self._read(f"reading collection {collection_id} again", collection_id, there)

    def is_copy(self, path: Path) -> bool:
        """Whether it was sent, and is kept here."""
        return path.is_relative_to(self._files)

    def remove(self, document: Document) -> None:
        self.store.remove_document(document.id)
        if self.is_copy(document.path):
            document.path.unlink(missing_ok=True)

    def remove_collection(self, collection: Collection) -> None:
        self.store.remove_collection(collection.id)
        shutil.rmtree(self._files / str(collection.id), ignore_errors=True)

    def fetch_model(self) -> None:
        """And compare the meaning of all that is there already."""

        def work(report: Report, cancelled: Cancelled) -> None:
            self._host.fetch_model(MODEL, report, cancelled)
            report(None, "loading the embedding model")
            self._indexer.embed(report, cancelled)

        self._start(FETCHING, work)

    # Answers

    def chosen(self, conversation_id: str | None) -> frozenset[int]:
        """What a conversation is answered from; without one, what the next that begins will be."""
        return self.store.chosen(conversation_id) if conversation_id else self._next

    def choose(self, conversation_id: str | None, collection_ids: Iterable[int]) -> None:
        if conversation_id:
            self.store.choose(conversation_id, collection_ids)
        else:
            self._next = frozenset(collection_ids)

    def filter_messages(self, messages: tuple[Message, ...], context: RequestContext) -> tuple[Message, ...]:
        if context.conversation_id and self._next and sum(one.role == "user" for one in messages) == 1:
            self._begin(context.conversation_id)
        chosen = self.store.chosen(context.conversation_id) if context.conversation_id else frozenset[int]()
        found = self._found(messages, chosen, settings_of(context)) if chosen else []
        if found:
            self._remember(context.id, self._answering_from(found))
        changed = with_passages(messages, found)
        return messages if changed == messages else changed

    def marking(self, context: RequestContext) -> Marking | None:
        """None for a reply that was given no passages."""
        with self._lock:
            answering = self._answering.pop(context.id, None)
        return Marking(answering, self._embedded_later) if answering is not None else None

    def find(self, question: str, collection_ids: Sequence[int]) -> list[Found]:
        return self.search.find(question, collection_ids, RESULTS)

    def _begin(self, conversation_id: str) -> None:
        chosen, self._next = self._next, frozenset()
        if not self.store.chosen(conversation_id):
            self.store.choose(conversation_id, chosen & {one.id for one in self.store.collections()})

    def _found(self, messages: Sequence[Message], chosen: frozenset[int], settings: DocumentSettings) -> list[Found]:
        most = max(1, MOST_PASSAGES * settings.passage_words // WORDS_PER_PASSAGE)
        alone, whole = questions_of(messages)
        found = self.search.find(alone, chosen, most)
        if whole != alone and nearest(found) < STANDS_ALONE:
            found = self.search.find(whole, chosen, most)
        return fitting(found, settings.passage_words)

    def _answering_from(self, found: Sequence[Found]) -> Answering:
        vectors = {one.passage_id: unpacked([one.vectors]) for one in self.store.vectors([o.passage.id for o in found])}
        empty = unpacked([])
        given = tuple(evidence(one.passage, vectors.get(one.passage.id, empty)) for one in found)
        return Answering(given, by_words_only=all(one.by_meaning is None for one in found))

    def _remember(self, request: str, answering: Answering) -> None:
        with self._lock:
            self._answering[request] = answering
            while len(self._answering) > ANSWERS:
                self._answering.pop(next(iter(self._answering)))

    def _embedded_later(self, sentence: str) -> "Future[Sequence[float] | None]":
        return self._thread.submit(lambda: first(self.embedder.embed([sentence])))

    # Work in the background

    def _read(self, title: str, collection_id: int, paths: Sequence[Path]) -> None:
        def work(report: Report, cancelled: Cancelled) -> None:
            self._indexer.index(collection_id, paths, report, cancelled)
            self.search.warm_up()

        self._start(title, work)

    def _start(self, title: str, work: Work) -> None:
        def run(report: Report, cancelled: Cancelled) -> None:
            def tell(fraction: float | None, note: str) -> None:
                self._progress = Progress(note, fraction)
                report(fraction, note)

            def ended() -> bool:
                return cancelled() or self._closed.is_set()

            with self._at_work:
                try:
                    if not ended():
                        work(tell, ended)
                finally:
                    self._progress = None
                    self._under_way.discard(title)

        self._under_way.add(title)
        self._host.start_job(title, run)

    def _forget_conversations(self) -> None:
        """What was added to conversations that are gone for good is of no use to anybody."""
        gone = [one for one in self.store.conversations() if not self._host.has_conversation(one)]
        for own in (one for conversation in gone for one in self.store.collections(conversation)):
            if own.conversation_id:
                self.remove_collection(own)


def nearest(found: Sequence[Found]) -> float:
    """How near the nearest is to the question, 0 when words alone were compared."""
    return max((one.by_meaning or 0.0 for one in found), default=0.0)


def fitting(found: Sequence[Found], words: int) -> list[Found]:
    """The first of them that have so many words together; at least one."""
    total = list(accumulate(length(one.passage.text) for one in found))
    return [one for place, one in enumerate(found) if not place or total[place] <= words]


def settings_of(context: RequestContext) -> DocumentSettings:
    return context.settings if isinstance(context.settings, DocumentSettings) else DocumentSettings()


def first(vectors: Sequence[Sequence[float]] | None) -> Sequence[float] | None:
    return vectors[0] if vectors else None
