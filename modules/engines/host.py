"""Which model is loaded, being loaded or has failed: the owner of every worker process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal

from modules.children import Launcher
from modules.engines.loaded import LoadedModel
from modules.engines.process import EngineProcess
from modules.engines.registry import engine_for, engine_named
from modules.errors import ModelBusy, ModelError, NotFound, ParlorError
from modules.types.local_model import LocalModel

ModelState = Literal["loading", "ready", "failed"]


@dataclass(frozen=True)
class ModelStatus:
    """One model's state for people and programs; `fraction` is 0..1 of loading."""

    id: str
    engine: str
    state: ModelState
    fraction: float = 0.0
    note: str = ""
    error: str = ""
    details: str = ""
    slots: int = 0
    context_length: int = 0
    generates: bool = False
    embeds: bool = False
    running: int = 0
    queued: int = 0
    tokens_evaluated: int = 0
    worker_pid: int = 0


class Loading:
    """A load under way; `result` gives the loaded model or raises ModelError.

    `chat_template` replaces the model's own. What is in `before_result` is called once the model is loaded, before
    anyone who waits for it goes on.
    """

    def __init__(
        self, model: LocalModel, engine: str, options: dict[str, Any] | None = None, chat_template: str = ""
    ) -> None:
        self.model = model
        self.engine = engine
        self.options = options or {}
        self.chat_template = chat_template
        self.before_result: list[Callable[[], None]] = []
        self.fraction = 0.0
        self.note = ""
        self.process: EngineProcess | None = None
        self.abandoned = False
        self.result: Future[LoadedModel] = Future()

    @classmethod
    def done(cls, loaded: LoadedModel) -> "Loading":
        loading = cls(loaded.model, loaded.engine, loaded.options)
        loading.result.set_result(loaded)
        return loading

    def report(self, fraction: float, note: str) -> None:
        self.fraction, self.note = fraction, note


class EngineHost:
    """Keeps one model loaded at a time; an idle one makes room for the next, a busy one does not.

    Any thread may call; nothing here blocks but `unload` and `close`, which wait for a worker to leave.
    """

    def __init__(
        self, launcher: Launcher, for_worker: Callable[[LocalModel], LocalModel] = lambda model: model
    ) -> None:
        """`for_worker` adds to a model what only its worker may know, such as the key of its server."""
        self._launcher = launcher
        self._for_worker = for_worker
        self._lock = threading.RLock()
        self._loaded: LoadedModel | None = None
        self._loading: Loading | None = None
        self._failure: ModelStatus | None = None

    @property
    def loaded(self) -> LoadedModel | None:
        return self._loaded

    def status(self) -> ModelStatus | None:
        """Of the model that is loaded, being loaded or failed last; None when there was none."""
        with self._lock:
            if self._loading is not None:
                now = self._loading
                return ModelStatus(now.model.id, now.engine, "loading", now.fraction, now.note)
            if self._loaded is not None:
                return ready_status(self._loaded)
            return self._failure

    def current(self, model_id: str, engine: str | None = None) -> Loading | None:
        """The load of this model that is under way or done, with whatever options; None when there is none."""
        with self._lock:
            loading = Loading.done(self._loaded) if self._loaded is not None else self._loading
        fits = loading is not None and loading.model.id == model_id and engine in {None, loading.engine}
        return loading if fits else None

    def ensure(
        self,
        model: LocalModel,
        options: dict[str, Any],
        engine: str | None = None,
        *,
        chat_template: str = "",
        before_result: Callable[[], None] = lambda: None,
    ) -> Loading:
        """Begin to load `model` unless it is loaded, or being loaded, like this; wait on the answer's `result`.

        A loaded model is loaded anew with other options. Raises ModelBusy while a model answers or is being loaded,
        ModelError for a model no engine takes.
        """
        kind = engine_named(engine) if engine else engine_for(model.format)
        wanted = Loading(model, kind.name, options, chat_template)
        wanted.before_result.append(before_result)
        with self._lock:
            if self._loading is not None:
                if same_load(self._loading, wanted):
                    self._loading.before_result.append(before_result)
                    return self._loading
                raise ModelBusy(f"{self._loading.model.id} is being loaded; wait for it or unload it first.")
            previous = self._loaded
            if previous is None or not is_loaded_like(previous, wanted):
                refuse_load(model, previous)
                self._loaded, self._failure, self._loading = None, None, wanted
                load = threading.Thread(target=self._load, args=(wanted, previous), name="model load", daemon=True)
                load.start()
                return wanted
        before_result()
        return Loading.done(previous)

    def unload(self, model_id: str) -> None:
        """Free the model's memory, also in the middle of loading; its running requests end with an error."""
        with self._lock:
            loading, loaded = self._loading, self._loaded
            if loading is not None and loading.model.id == model_id:
                loading.abandoned = True
                if loading.process is not None:
                    loading.process.kill()
                return
            if loaded is None or loaded.model.id != model_id:
                raise NotFound(f"{model_id} is not loaded.", field="model")
            self._loaded = None
        loaded.process.end()

    def cancel_all(self) -> None:
        """End every request that waits or runs; their readers see it as any cancel."""
        if self._loaded is not None:
            self._loaded.cancel_all()

    def close(self) -> None:
        status = self.status()
        if status is not None and status.state != "failed":
            self.unload(status.id)

    def _load(self, loading: Loading, previous: LoadedModel | None) -> None:
        try:
            if previous is not None:
                previous.process.end()
            process = EngineProcess(self._launcher, lambda: self._worker_ended(process))
            loading.process = process
            if loading.abandoned:
                process.kill()
            model = self._for_worker(loading.model)
            capabilities = process.load(loading.engine, model, loading.options, loading.report)
            if loading.chat_template:
                capabilities = replace(capabilities, chat_template=loading.chat_template)
            loaded = LoadedModel(loading.model, loading.engine, process, capabilities, loading.options)
            with self._lock:
                self._loaded, self._loading = loaded, None
            for act in loading.before_result:
                act()
            loading.result.set_result(loaded)
        except ParlorError as error:
            details = error.details if isinstance(error, ModelError) else ""
            message = "Loading was cancelled." if loading.abandoned else str(error)
            with self._lock:
                self._loading = None
                if not loading.abandoned:
                    self._failure = ModelStatus(
                        loading.model.id, loading.engine, "failed", error=message, details=details
                    )
            loading.result.set_exception(ModelError(message, details))

    def _worker_ended(self, process: EngineProcess) -> None:
        with self._lock:
            loaded = self._loaded
            if loaded is None or loaded.process is not process:
                return
            self._loaded = None
            self._failure = ModelStatus(
                loaded.model.id,
                loaded.engine,
                "failed",
                error="The engine's process ended unexpectedly. The next message loads the model again.",
            )


def refuse_load(model: LocalModel, previous: LoadedModel | None) -> None:
    """Raise what forbids to load `model` in the place of `previous`."""
    if previous is not None and previous.workload.running + previous.workload.queued > 0:
        raise ModelBusy(f"{previous.model.id} is answering; wait for it, or stop it, before loading {model.id}.")
    if model.problem:
        raise ModelError(f"{model.title} cannot be loaded: {model.problem}")


def same_load(one: Loading, other: Loading) -> bool:
    return (one.model.id, one.engine, one.options, one.chat_template) == (
        other.model.id,
        other.engine,
        other.options,
        other.chat_template,
    )


def is_loaded_like(loaded: LoadedModel, wanted: Loading) -> bool:
    """The text of a chosen template counts too: its file may have been edited since."""
    same = (loaded.model.id, loaded.engine, loaded.options) == (wanted.model.id, wanted.engine, wanted.options)
    return same and wanted.chat_template in {"", loaded.capabilities.chat_template}


def ready_status(loaded: LoadedModel) -> ModelStatus:
    load = loaded.workload
    return ModelStatus(
        loaded.model.id,
        loaded.engine,
        "ready",
        fraction=1.0,
        note="; ".join(loaded.capabilities.notes),
        slots=loaded.capabilities.slots,
        context_length=loaded.capabilities.context_length,
        generates=loaded.capabilities.generates,
        embeds=loaded.capabilities.embeds,
        running=load.running,
        queued=load.queued,
        tokens_evaluated=load.tokens_evaluated,
        worker_pid=loaded.process.pid,
    )
