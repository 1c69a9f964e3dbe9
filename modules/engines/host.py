"""Which models are loaded, being loaded or have failed: the owner of every worker process."""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from modules.children import Launcher
from modules.engines.budget import Budget, Memory, leaving
from modules.engines.failures import Failures
from modules.engines.faults import death, fault_of
from modules.engines.loaded import LoadedModel
from modules.engines.loading import Loading
from modules.engines.process import UNLOADED, EngineProcess
from modules.engines.registry import EngineKinds
from modules.engines.status import ModelStatus, loading_status, ready_status
from modules.engines.uses import Uses
from modules.engines.wish import NOTHING, Wish
from modules.errors import ModelBusy, ModelError, NotFound
from modules.machine import read_machine
from modules.types.local_model import LocalModel

LOADING_CANCELLED = "Loading was cancelled."


class EngineHost:
    """Keeps as many models loaded as the budget allows: idle ones make room, the least recently used first.

    Busy ones never do. Models are loaded one after the other, for two at once would fight for the same cores. Any
    thread may call; nothing here blocks but `unload`, `unload_idle` and `close`, which wait for workers to leave.
    `clock` tells Unix time.
    """

    def __init__(
        self,
        launcher: Launcher,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.time,
        *,
        for_worker: Callable[[LocalModel], LocalModel] = lambda model: model,
        tell_loaded: Callable[[LoadedModel], None] = lambda _loaded: None,
        kinds: EngineKinds | None = None,
    ) -> None:
        """`for_worker` adds to a model what only its worker may know, such as the key of its server.

        `tell_loaded` is told of every model that can be used from then on. Without `kinds` there are the program's own.
        """
        self.kinds = kinds or EngineKinds()
        self.kinds.on_removal(self._engines_gone)
        self._launcher = launcher
        self._budget = budget or Budget(0, read_machine)
        self._clock = clock
        self._for_worker = for_worker
        self._tell_loaded = tell_loaded
        self._lock = threading.Lock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model load")
        self._loads: dict[str, Loading] = {}
        self._loaded: dict[str, LoadedModel] = {}
        self._failures = Failures(clock)
        self._closed = False

    @property
    def budget_bytes(self) -> int:
        return self._budget.main_bytes

    def loaded(self) -> list[LoadedModel]:
        """Most recently used first."""
        with self._lock:
            return sorted(self._loaded.values(), key=lambda one: one.uses.last, reverse=True)

    def statuses(self) -> list[ModelStatus]:
        """Of every model that is loaded, being loaded or failed last, most recently used first."""
        with self._lock:
            loads, failures = list(self._loads.values()), self._failures.statuses()
            loaded = [one for name, one in self._loaded.items() if name not in self._loads]
        found = [*map(loading_status, loads), *map(ready_status, loaded), *failures]
        return sorted(found, key=lambda status: status.last_used, reverse=True)

    def current(self, model_id: str, engine: str | None = None) -> Loading | None:
        """The load of this model that waits, is under way or done, with whatever options; None when there is none."""
        with self._lock:
            loading, loaded = self._loads.get(model_id), self._loaded.get(model_id)
        if loading is None and loaded is not None:
            loading = Loading.done(loaded)
        fits = loading is not None and engine in {None, loading.wish.engine}
        return loading if fits else None

    def ensure(
        self,
        model: LocalModel,
        options: dict[str, Any],
        engine: str | None = None,
        *,
        chat_template: str = "",
        needed: Memory = NOTHING,
        before_result: Callable[[], None] = lambda: None,
    ) -> Loading:
        """Begin to load `model` unless it is loaded, or being loaded, like this; wait on the answer's `result`.

        `needed` is the memory it is expected to take. A loaded model is loaded anew with other options. Raises
        ModelBusy while the model itself or those that would have to make room are at work, ModelError for a model that
        no engine takes.
        """
        kind = self.kinds.named(engine) if engine else self.kinds.taking(model.format)
        wish = Wish(model, kind.name, options, chat_template, needed)
        with self._lock:
            loading, loaded = self._loads.get(model.id), self._loaded.get(model.id)
        if loading is None and not (loaded is not None and is_met(wish, loaded)):
            self._refuse_early(wish)
        with self._lock:
            loading, loaded = self._loads.get(model.id), self._loaded.get(model.id)
            if loading is not None:
                if not loading.wish.is_same(wish):
                    raise ModelBusy(f"{model.id} is being loaded with other options; wait for it or unload it first.")
                loading.before_result.append(before_result)
                return loading
            if loaded is None or not is_met(wish, loaded):
                return self._begin(wish, before_result)
        before_result()
        return Loading.done(loaded)

    def unload(self, model_id: str) -> None:
        """Free the model's memory, or end its load whether it waits or is under way, or forget that it failed.

        Its requests end with an error. Raises NotFound when there is none of this.
        """
        with self._lock:
            had_failed = self._failures.forget(model_id)
        if not self._end(model_id, LOADING_CANCELLED, UNLOADED) and not had_failed:
            raise NotFound(f"{model_id} is not loaded.", field="model")

    def unload_idle(self, seconds: float) -> None:
        """Those that nobody needs and nobody has needed for so long."""
        for one in self.loaded():
            if self._clock() - one.uses.last >= seconds and self._retire(one):
                one.process.end()

    def cancel_all(self) -> None:
        """End every request that waits or runs; their readers see it as any cancel."""
        for one in self.loaded():
            one.cancel_all()

    def close(self) -> None:
        """Everything ends, and nothing can be loaded any more."""
        with self._lock:
            self._closed = True
            names = [*self._loads, *self._loaded]
        with ThreadPoolExecutor(max(len(names), 1)) as enders:
            list(enders.map(self._unload_quietly, names))
        self._loader.shutdown()

    def _end(self, model_id: str, while_loading: str, once_loaded: str) -> bool:
        """Whether it was being loaded or loaded. Who waits for it gets the one sentence or the other."""
        with self._lock:
            loading = self._loads.pop(model_id, None)
            loaded = self._loaded.pop(model_id, None)
            if loading is not None:
                loading.abandoned = while_loading
        if loading is not None:
            self._abandon(loading)
        if loaded is not None:
            loaded.uses.close()
            loaded.process.end(once_loaded)
        return loading is not None or loaded is not None

    def _engines_gone(self, engines: Collection[str], sentence: str) -> None:
        """What runs on them leaves, and says why where models are shown."""
        with self._lock:
            wishes = [one.wish for one in (*self._loads.values(), *self._loaded.values()) if one.wish.engine in engines]
        for wish in wishes:
            self._end(wish.model.id, sentence, sentence)
            with self._lock:
                self._failures.keep(wish, ModelError(sentence))

    def _unload_quietly(self, name: str) -> None:
        """It may have gone by itself meanwhile."""
        try:
            self.unload(name)
        except NotFound:
            return

    def _refuse_early(self, wish: Wish) -> None:
        """Raise at once what would forbid the load when its turn comes."""
        if wish.model.problem:
            raise ModelError(f"{wish.model.title} cannot be loaded: {wish.model.problem}", cause="damaged_file")
        others = self.loaded()
        for one in others:
            if one.model.id == wish.model.id:
                require_free(one)
        self._leaving([one for one in others if one.model.id != wish.model.id], wish)

    def _begin(self, wish: Wish, before_result: Callable[[], None]) -> Loading:
        """Put the load in line; call with the lock held."""
        if self._closed:
            raise ModelError("Parlor is about to end, so no model is loaded any more.", cause="cancelled")
        loading = Loading(wish, Uses(self._clock))
        loading.before_result.append(before_result)
        self._failures.forget(wish.model.id)
        self._loads[wish.model.id] = loading
        self._loader.submit(self._load, loading)
        return loading

    def _abandon(self, loading: Loading) -> None:
        """One under way ends on the loader's thread; one that waits ends here, and is passed over at its turn."""
        if loading.begun:
            if loading.process is not None:
                loading.process.kill()
        else:
            loading.result.set_exception(abandoned(loading))

    def _load(self, loading: Loading) -> None:
        """On the loader's thread."""
        with self._lock:
            if loading.abandoned:
                return
            loading.begun = True
        try:
            loading.note = "making room"
            self._make_room(loading)
            loaded = self._start(loading)
            for act in loading.before_result:
                act()
        except Exception as error:  # noqa: BLE001 - whoever waits must get an end, whatever went wrong
            self._failed(loading, error)
        else:
            loading.result.set_result(loaded)
            self._tell_loaded(loaded)

    def _start(self, loading: Loading) -> LoadedModel:
        """A worker with the model in it. Raises ModelError, also when the load was abandoned meanwhile."""
        wish = loading.wish
        loading.note = "starting"
        process = EngineProcess(self._launcher, lambda: self._worker_ended(process))
        loading.process = process
        if loading.abandoned:
            process.kill()
        source = self.kinds.source(wish.engine)
        model = self._for_worker(wish.model)
        capabilities = process.load(wish.engine, model, wish.options, loading.report, source)
        if wish.chat_template:
            capabilities = replace(capabilities, chat_template=wish.chat_template)
        loaded = LoadedModel(wish, process, capabilities, loading.uses)
        with self._lock:
            if not loading.abandoned:
                del self._loads[wish.model.id]
                self._loaded[wish.model.id] = loaded
        if loading.abandoned:
            process.end()
            raise abandoned(loading)
        if process.gone:
            self._worker_ended(process)
        return loaded

    def _make_room(self, loading: Loading) -> None:
        """Unload what has to make room, one after the other. Raises ModelBusy."""
        own = self._loaded.get(loading.model.id)
        if own is not None:
            if not self._retire(own):
                require_free(own)
            own.process.end()
        while not loading.abandoned and (chosen := self._leaving(self.loaded(), loading.wish)):
            if self._retire(chosen[0]):
                chosen[0].process.end()

    def _leaving(self, loaded: list[LoadedModel], wish: Wish) -> list[LoadedModel]:
        taken = sum((one.memory for one in loaded), NOTHING)
        return leaving(loaded, wish.needed, self._budget.room(taken))

    def _retire(self, loaded: LoadedModel) -> bool:
        """Take the model out if nobody needs it; the caller ends its worker."""
        with self._lock:
            if self._loaded.get(loaded.model.id) is not loaded or not loaded.uses.close_if_free():
                return False
            del self._loaded[loaded.model.id]
            return True

    def _failed(self, loading: Loading, error: Exception) -> None:
        wish = loading.wish
        if loading.abandoned:
            error = abandoned(loading)
        elif not isinstance(error, ModelBusy):
            error = fault_of(error, wish.model.title)
        with self._lock:
            if self._loads.get(wish.model.id) is loading:
                del self._loads[wish.model.id]
            if isinstance(error, ModelError) and error.cause != "cancelled":
                self._failures.keep(wish, error)
        loading.result.set_exception(error)

    def _worker_ended(self, process: EngineProcess) -> None:
        """On the process's reader thread: a worker that nobody asked to leave concerns its own model alone."""
        with self._lock:
            loaded = next((one for one in self._loaded.values() if one.process is process), None)
            if loaded is None:
                return
            del self._loaded[loaded.model.id]
            loaded.uses.close()
            error = death(loaded.model.title, process.exit_status, process.last_words)
            self._failures.keep(loaded.wish, error)


def is_met(wish: Wish, loaded: LoadedModel) -> bool:
    return wish.is_met_by(loaded.wish, loaded.capabilities.chat_template)


def require_free(loaded: LoadedModel) -> None:
    if loaded.uses.count:
        raise ModelBusy(f"{loaded.model.id} is answering; wait for it, or stop it, before loading it anew.")


def abandoned(loading: Loading) -> ModelError:
    return ModelError(loading.abandoned, cause="cancelled")
