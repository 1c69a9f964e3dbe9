"""An extension tried without the rest of the program: what its tests are written with."""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modules.errors import BadRequest, DownloadError, FetchError
from modules.extensions.contracts import DocumentReader, RequestContext, Source, Work
from modules.extensions.facts import Fault
from modules.extensions.registry import Extensions
from modules.extensions.steps import Draft
from modules.paths import Paths
from modules.storage.database import Database
from modules.storage.extension_states import ExtensionStates
from modules.types.generation import Constraint, Event, Finished, Replaced, TextDelta
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel
from modules.types.reply_params import ReplyParams

PATIENCE_SECONDS = 30.0
# The one there is.
CONVERSATION = "a conversation"


class TrialHost:
    """An ExtensionHost that reaches nothing: `replies` are what the model says, in turn.

    `asked` is what the model was asked, `reports` what jobs have told of themselves."""

    def __init__(self, name: str, data: Path, extensions: Extensions, replies: Sequence[str]) -> None:
        self.data = data
        self.asked: list[tuple[Message, ...]] = []
        self.reports: list[tuple[float | None, str]] = []
        self._name = name
        self._extensions = extensions
        self._replies = list(replies)

    @property
    def settings(self) -> Any:
        return self._extensions.settings(self._name)

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        self.asked.append(tuple(messages))
        if not self._replies:
            raise BadRequest("No model is loaded: give `tried` as many replies as the extension asks for.")
        return self._replies.pop(0)

    def embed(self, texts: Sequence[str], *, model: str = "") -> Sequence[Sequence[float]]:
        models = [given.item for given in self._extensions.collect("embedding_models")]
        found = next((one for one in models if not model or one.name == model), None)
        if found is None:
            raise BadRequest("No embedding model is loaded.")
        return found.embed(texts)

    def has_model(self, name: str) -> bool:
        return any(given.item.name == name for given in self._extensions.collect("embedding_models"))

    def has_conversation(self, conversation_id: str) -> bool:
        return conversation_id == CONVERSATION

    def fetch_model(
        self, model: PackagedModel, report: Callable[[float | None, str], None], cancelled: Callable[[], bool]
    ) -> None:
        raise DownloadError(f"Tests fetch nothing, so not {model.title} either.")

    def readers(self) -> Sequence[DocumentReader]:
        return [given.item for given in self._extensions.collect("document_readers")]

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        raise FetchError(f"Tests fetch nothing, so not {url} either.")

    def start_job(self, title: str, work: Work) -> str:
        """Done when this returns."""
        work(lambda fraction, note: self.reports.append((fraction, note)), lambda: False)
        return title

    def log(self, text: str) -> None:
        self._extensions.write_log(self._name, text)


class Trial:
    """One extension, enabled, and what a test asks of it."""

    def __init__(self, name: str, extensions: Extensions, host: TrialHost) -> None:
        self.name = name
        self.extensions = extensions
        self.host = host

    @property
    def settings(self) -> Any:
        return self.extensions.settings(self.name)

    @property
    def faults(self) -> list[Fault]:
        return self.extensions.faults(self.name)

    @property
    def log(self) -> list[str]:
        return self.extensions.log(self.name)

    def set(self, values: Mapping[str, Any]) -> None:
        """Raises BadRequest that names the field."""
        self.extensions.set_settings(self.name, values)

    def context(self, source: Source = "page") -> RequestContext:
        return RequestContext("trial", source, "a model", "echo", CONVERSATION, self.settings)

    def filter(self, hook: str, value: Any) -> Any:
        return self.extensions.chain(hook, value, self.context())

    def stream(self, pieces: Sequence[str]) -> str:
        """What a reader sees of a reply that is written in these pieces, filter_reply included."""
        shown: list[str] = []
        ended: list[Event] = []

        def deliver(event: Event) -> None:
            match event:
                case TextDelta():
                    shown.append(event.text)
                case Replaced():
                    shown[:] = [event.text]
                case _:
                    ended.append(event)

        stages = self.extensions.draft(Draft((), ReplyParams()), self.context()).stages
        stream = self.extensions.reply_stream(stages, self.context(), deliver)
        if stream is None:
            return "".join(pieces)
        for piece in pieces:
            stream.take(TextDelta(piece))
        stream.take(Finished("stop"))
        wait_until(lambda: bool(ended))
        return "".join(shown)

    def given(self, hook: str) -> list[Any]:
        """The tools, tabs, commands ... that it brings."""
        return [given.item for given in self.extensions.collect(hook, self.context()) if given.extension == self.name]


@contextmanager
def tried(folder: Path, replies: Sequence[str] = ()) -> Generator[Trial]:
    """The extension in `folder`, which bears its name, enabled. Raises BadRequest when it cannot be."""
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        database = Database.open(data / "trial.db")
        paths = Paths(data, data, extensions=folder.resolve().parent)
        extensions = Extensions(paths, ExtensionStates(database))
        host = TrialHost(folder.resolve().name, data, extensions, replies)
        extensions.start(lambda _manifest: host)
        try:
            extensions.enable(folder.resolve().name)
            yield Trial(folder.resolve().name, extensions, host)
        finally:
            extensions.close()
            database.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.005)
