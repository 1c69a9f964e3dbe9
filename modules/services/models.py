"""Models as people and programs handle them: list, load, unload, fetch the starter."""

from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from modules.engines.budget import Memory
from modules.engines.host import EngineHost
from modules.engines.loaded import LoadedModel
from modules.engines.loading import Loading
from modules.engines.protocol import EngineKind
from modules.engines.status import ModelStatus
from modules.errors import BadRequest, ModelError, NotFound, ParlorError
from modules.jobs import JobRunner
from modules.library.library import Library, unknown_model
from modules.library.starter import STARTER, fetch_starter, has_starter
from modules.services.load_options import LoadOptions, check_options
from modules.services.oracle import Oracle
from modules.services.remote import RemoteService
from modules.settings import Settings
from modules.types.estimates import Estimate, MemoryEstimate
from modules.types.jobs import Job
from modules.types.local_model import LocalModel

STARTER_JOB = "starter model"


@dataclass(frozen=True)
class StarterOffer:
    """Whether the starter model is here, and the newest try to fetch it."""

    present: bool
    size_bytes: int
    job: Job | None


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of main memory: what all loaded models may take together, and what their workers take."""

    budget_bytes: int
    used_bytes: int


class ModelService:
    """Several models may be loaded at once. The page loads any, a request of the API those that `api_models` allows."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        host: EngineHost,
        jobs: JobRunner,
        options: LoadOptions,
        *,
        remote: RemoteService,
        oracle: Oracle,
    ) -> None:
        self._settings = settings
        self._models_folder = settings.paths.models
        self._library = library
        self._remote = remote
        self._host = host
        self._jobs = jobs
        self._options = options
        self._oracle = oracle

    def models(self) -> list[LocalModel]:
        """Those that are loaded, being loaded or failed first, the most recently used of them foremost."""
        places = {status.id: place for place, status in enumerate(self._host.statuses())}
        return sorted(
            [*self._library.models(), *self._remote.models()], key=lambda model: places.get(model.id, len(places))
        )

    def find(self, name: str) -> LocalModel:
        """Raises NotFound with the names there are; for the starter model it says how to get it."""
        try:
            return self._library.find(name)
        except NotFound:
            if (remote := self._remote.model(name)) is not None:
                return remote
            if name != STARTER.id:
                raise unknown_model(name, self.models()) from None
            job = self._jobs.latest(STARTER_JOB)
            if job is not None and job.state == "running":
                share = f" ({job.progress:.0%} done)" if job.progress else ""
                message = f"The starter model is being downloaded{share}. Try again in a moment."
            else:
                message = (
                    "The starter model is not here yet. Start with --model starter, or press Download in the chat."
                )
            raise NotFound(message, field="model", code="model_not_found") from None

    def chosen(self, name: str | None, *, to_embed: bool = False) -> LocalModel:
        """The named model, or the one in use; raises NotFound when there is neither.

        Of those that are loaded, one that writes comes before one that embeds alone, or the other way round.
        """
        if name:
            current = self._host.current(name)
            return current.model if current is not None else self.find(name)
        if loaded := self._host.loaded():
            able = [one for one in loaded if (one.capabilities.embeds if to_embed else one.capabilities.generates)]
            return (able or loaded)[0].model
        statuses = sorted(self._host.statuses(), key=lambda status: status.state == "failed")
        if name := next((status.id for status in statuses if status.state == "loading"), self._settings.model):
            return self.find(name)
        if statuses:
            return self.find(statuses[0].id)
        raise NotFound("No model is loaded. Choose one first.", field="model", code="model_not_found")

    def loaded(self, name: str | None) -> LoadedModel | None:
        """The named model, or the one in use, if it is loaded now; nothing is loaded for this."""
        try:
            current = self._host.current(self.chosen(name).id)
        except NotFound:
            return None
        is_loaded = current is not None and current.result.done() and current.result.exception() is None
        return current.result.result() if current is not None and is_loaded else None

    def status(self) -> ModelStatus | None:
        """Of the model being loaded, or else the one that was used or failed last."""
        statuses = self.statuses()
        return next((status for status in statuses if status.state == "loading"), next(iter(statuses), None))

    def statuses(self) -> list[ModelStatus]:
        """Of every model that is loaded, being loaded or failed last, most recently used first."""
        return [self._remote.with_contact(status) for status in self._host.statuses()]

    def memory(self) -> MemoryUse:
        return MemoryUse(self._host.budget_bytes, sum(status.memory_bytes for status in self._host.statuses()))

    def load(self, name: str, engine: str | None = None, options: dict[str, Any] | None = None) -> Loading:
        """Begin to load unless it is loaded already; wait on the answer's `result`.

        `options` are remembered for this model once it is loaded with them, and replace what was; None takes what is
        remembered. Raises BadRequest for an option that is wrong or an engine that does not fit, ModelBusy when models
        at work leave no room. What is loaded stays when this one cannot be loaded at all.
        """
        if options is None and (current := self._host.current(name, engine)) is not None:
            return current
        model, kind, chosen = self.planned(name, engine, options)
        if chosen.get("draft_model"):
            chosen = {**chosen, "draft_model": str(self._folder(chosen["draft_model"]))}

        def remember() -> None:
            if options is not None:
                self._options.remember(model.id, kind, options)

        predicted = self._predicted(model, kind, chosen)
        loading = self._host.ensure(
            model,
            chosen,
            kind.name,
            chat_template=self._options.chat_template(chosen),
            needed=Memory(kind.worker_bytes + predicted.total_bytes - predicted.gpu_bytes, predicted.gpu_bytes),
            before_result=remember,
        )

        def record(result: Future[LoadedModel]) -> None:
            if result.exception() is None:
                self._oracle.record_load(result.result(), predicted)

        loading.result.add_done_callback(record)
        return loading

    def estimate(self, name: str, engine: str | None = None, options: dict[str, Any] | None = None) -> Estimate:
        """What a load as `load` would begin it will need and give. Raises as that does."""
        return self._oracle.estimate(*self.planned(name, engine, options))

    def memory_needs(self) -> dict[str, float]:
        """Bytes that each sound model here takes, or would take if it were loaded now; by name, where it is known."""
        needs: dict[str, float] = {status.id: status.memory_bytes for status in self._host.statuses()}
        for model in self._library.models():
            if model.path is None or model.problem or needs.get(model.id):
                continue
            with suppress(ParlorError):
                kind = self._kind(model)
                needs[model.id] = self._oracle.memory(model, kind, self._options.choose(model.id, kind, None)).value
        return {name: need for name, need in needs.items() if need}

    def planned(
        self, name: str, engine: str | None = None, options: dict[str, Any] | None = None
    ) -> tuple[LocalModel, EngineKind, dict[str, Any]]:
        """The model, engine and options that `load` would take; raises as it does."""
        model = self.find(name)
        kind = self._kind(model, engine)
        asked = None if options is None else check_options(kind, options)
        return model, kind, self._options.choose(model.id, kind, asked)

    def load_for_request(self, name: str | None) -> Loading:
        """As `load`, for a request of the API; None is the model in use.

        Raises NotFound for a model that is not loaded and that the setting `api_models` does not let requests load.
        """
        model = self.chosen(name)
        if (current := self._host.current(model.id)) is not None:
            return current
        if not allows(self._settings.api_models, model.id):
            raise NotFound(
                f"{model.id} is not loaded, and the setting api_models does not let requests load it. Load it in the "
                "page, or add its name to api_models.",
                field="model",
                code="model_not_allowed",
            )
        return self.load(model.id)

    @contextmanager
    def in_use(self, name: str) -> Generator[Loading]:
        """Load the model if need be; within it nobody throws the model out, from before it is loaded."""
        loading = self.load(name)
        while not loading.uses.take():
            loading = self.load(name)
        try:
            yield loading
        finally:
            loading.uses.release()

    def engines(self) -> tuple[EngineKind, ...]:
        """All there are."""
        return self._host.kinds.all

    def engines_for(self, name: str) -> list[EngineKind]:
        """Those that can load it, the one that would be taken first."""
        model = self.find(name)
        default = self._kind(model)
        return [default, *(kind for kind in self.engines() if model.format in kind.formats and kind is not default)]

    def remembered(self, model: LocalModel, engine: str | None = None) -> dict[str, Any]:
        """The options it will be loaded with when none are given, beside the flags of the start."""
        return self._options.remembered(model.id, self._kind(model, engine))

    def ignored_knobs(self, name: str) -> tuple[str, frozenset[str]]:
        """(what the model runs on or would, the knobs that this passes over): a loaded one says so itself.

        Raises NotFound.
        """
        current = self._host.current(name)
        if current is not None and current.result.done() and current.result.exception() is None:
            loaded = current.result.result()
            return loaded.capabilities.runs_on, frozenset(loaded.capabilities.ignored_knobs)
        _, kind, _ = self.planned(name)
        return kind.name, kind.ignored_knobs

    def chat_templates(self) -> list[str]:
        """The names that the option `chat_template` may have."""
        return self._options.chat_templates()

    def unload(self, name: str | None = None) -> None:
        """Free its memory, or end its load; None is the model that `status` tells of. Raises NotFound without any."""
        status = self.status()
        if name is None and status is None:
            raise NotFound("No model is loaded.", field="model")
        self._host.unload(name or (status.id if status else ""))

    def starter(self) -> StarterOffer:
        return StarterOffer(has_starter(self._models_folder), STARTER.size_bytes, self._jobs.latest(STARTER_JOB))

    def fetch_starter(self) -> Job:
        """Begin to fetch the starter model; the running job when it is under way already."""
        return self._jobs.start(
            STARTER_JOB, lambda report, cancelled: fetch_starter(self._models_folder, report, cancelled)
        )

    def _folder(self, draft_model: str) -> Path:
        """Raises BadRequest for what cannot guess."""
        field = "options.draft_model"
        try:
            model = self.find(draft_model)
        except NotFound as error:
            raise BadRequest(str(error), field=field) from error
        if model.format != "safetensors" or model.path is None:
            raise BadRequest(
                f"{model.title} cannot guess: a draft model is a folder in Hugging Face format.", field=field
            )
        return model.path

    def _kind(self, model: LocalModel, engine: str | None = None) -> EngineKind:
        """Raises BadRequest for an engine that cannot load it."""
        chosen = engine or (self._settings.engine if model.id == self._settings.model else None)
        if not chosen:
            return self._host.kinds.taking(model.format)
        kind = self._host.kinds.named(chosen)
        if model.format not in kind.formats:
            able = ", ".join(one.name for one in self.engines() if model.format in one.formats)
            raise BadRequest(
                f"The engine {kind.name} cannot load {model.title}, which is in the format {model.format}. These can: "
                f"{able or 'none'}.",
                field="engine",
            )
        return kind

    def _predicted(self, model: LocalModel, kind: EngineKind, options: dict[str, Any]) -> MemoryEstimate:
        """With all that loaded models take made free; an engine refuses by itself what does not fit."""
        machine = self._oracle.machine()
        freed = machine.available_bytes + self.memory().used_bytes
        try:
            return kind.estimate(model, kind.options.model_validate(options), replace(machine, available_bytes=freed))
        except ModelError:
            return MemoryEstimate(model.size_bytes)


def allows(patterns: str, model_id: str) -> bool:
    return any(fnmatchcase(model_id, pattern.strip()) for pattern in patterns.split(","))
