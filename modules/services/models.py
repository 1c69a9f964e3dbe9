"""Models as people and programs handle them: list, load, unload, fetch the starter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.engines.host import EngineHost, Loading, ModelStatus
from modules.engines.protocol import EngineKind
from modules.engines.registry import engine_for, engine_named
from modules.errors import BadRequest, NotFound
from modules.jobs import JobRunner
from modules.library.library import Library
from modules.library.starter import STARTER, fetch_starter, has_starter
from modules.services.load_options import LoadOptions, check_options
from modules.settings import Settings
from modules.types.jobs import Job
from modules.types.local_model import LocalModel

STARTER_JOB = "starter model"


@dataclass(frozen=True)
class StarterOffer:
    """Whether the starter model is here, and the newest try to fetch it."""

    present: bool
    size_bytes: int
    job: Job | None


class ModelService:
    def __init__(
        self, settings: Settings, library: Library, host: EngineHost, jobs: JobRunner, options: LoadOptions
    ) -> None:
        self._settings = settings
        self._models_folder = settings.paths.models
        self._library = library
        self._host = host
        self._jobs = jobs
        self._options = options

    def models(self) -> list[LocalModel]:
        """The loaded one first."""
        status = self._host.status()
        current = status.id if status else None
        return sorted(self._library.models(), key=lambda model: model.id != current)

    def find(self, name: str) -> LocalModel:
        """Raises NotFound with the names there are; for the starter model it says how to get it."""
        try:
            return self._library.find(name)
        except NotFound:
            if name != STARTER.id:
                raise
            job = self._jobs.latest(STARTER_JOB)
            if job is not None and job.state == "running":
                share = f" ({job.progress:.0%} done)" if job.progress else ""
                message = f"The starter model is being downloaded{share}. Try again in a moment."
            else:
                message = (
                    "The starter model is not here yet. Start with --model starter, or press Download in the chat."
                )
            raise NotFound(message, field="model", code="model_not_found") from None

    def chosen(self, name: str | None) -> LocalModel:
        """The named model, or the one in use; raises NotFound when there is neither."""
        if name:
            return self.find(name)
        status = self._host.status()
        name = status.id if status else self._settings.model
        if name is None:
            raise NotFound("No model is loaded. Choose one first.", field="model", code="model_not_found")
        return self.find(name)

    def status(self) -> ModelStatus | None:
        return self._host.status()

    def load(self, name: str, engine: str | None = None, options: dict[str, Any] | None = None) -> Loading:
        """Begin to load unless it is loaded already; wait on the answer's `result`.

        `options` are remembered for this model once it is loaded with them, and replace what was; None takes what is
        remembered. Raises BadRequest for an option that is wrong. A loaded model stays when this one cannot be
        loaded at all.
        """
        model = self.find(name)
        if options is None and (current := self._host.current(model.id, engine)) is not None:
            return current
        kind = self._kind(model, engine)
        asked = None if options is None else check_options(kind, options)
        chosen = self._options.choose(model.id, kind, asked)
        if chosen.get("draft_model"):
            chosen = {**chosen, "draft_model": str(self._folder(chosen["draft_model"]))}

        def remember() -> None:
            if asked is not None:
                self._options.remember(model.id, kind, asked)

        return self._host.ensure(
            model,
            chosen,
            kind.name,
            chat_template=self._options.chat_template(chosen),
            before_result=remember,
        )

    def remembered(self, model: LocalModel) -> dict[str, Any]:
        """The options it will be loaded with when none are given, beside the flags of the start."""
        return self._options.remembered(model.id, self._kind(model))

    def chat_templates(self) -> list[str]:
        """The names that the option `chat_template` may have."""
        return self._options.chat_templates()

    def unload(self, name: str | None = None) -> None:
        status = self._host.status()
        if status is None:
            raise NotFound("No model is loaded.", field="model")
        self._host.unload(name or status.id)

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
        chosen = engine or (self._settings.engine if model.id == self._settings.model else None)
        return engine_named(chosen) if chosen else engine_for(model.format)
