"""Adapters as people and programs handle them: list, load, switch on, unload."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modules.engines.host import EngineHost
from modules.engines.loaded import LoadedModel
from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.services.gguf_adapters import GgufAdapters
from modules.types.generation import AdapterUse
from modules.types.local_adapter import LocalAdapter
from modules.types.local_model import LocalModel

GONE = "Its folder is gone. It can be used until it is unloaded."
RELOADS = (
    "llama.cpp takes adapters only while it loads a model, so it loads the model anew: what it has read of past "
    "conversations is read again. Weights are free for every request."
)


@dataclass(frozen=True)
class AdapterStatus:
    """`memory_bytes` is what a loaded one takes, 0 else; `weight` is None unless it is switched on."""

    adapter: LocalAdapter
    loaded: bool
    memory_bytes: int
    weight: float | None


class AdapterService:
    """All of it concerns one loaded model and is gone with it.

    `model` names it; None is the one used last among those that take adapters.
    """

    def __init__(self, library: AdapterLibrary, host: EngineHost, gguf: GgufAdapters) -> None:
        self._library = library
        self._host = host
        self._gguf = gguf

    def models(self) -> list[LocalModel]:
        """The loaded ones that take adapters, the one used last first."""
        return [one.model for one in self._host.loaded() if one.capabilities.adapters]

    def note(self, model: str | None = None) -> str:
        """What loading or unloading an adapter brings with it, for the person; empty when nothing."""
        chosen = self._chosen(model)
        return RELOADS if chosen is not None and reloads(chosen) else ""

    def adapters(self, model: str | None = None) -> list[AdapterStatus]:
        """Those in the folder, and loaded ones that are gone from it, by name. Raises NotFound for a named model that
        is not loaded."""
        chosen = self._chosen(model)
        loaded = chosen.adapters.size_bytes if chosen else {}
        weights = {use.name: use.weight for use in chosen.adapters.switched_on} if chosen else {}
        found = {adapter.name: adapter for adapter in self._library.adapters()}
        gone = {name: LocalAdapter(name, Path(name), problem=GONE) for name in loaded if name not in found}
        return [
            AdapterStatus(adapter, name in loaded, loaded.get(name, 0), weights.get(name))
            for name, adapter in sorted((found | gone).items())
        ]

    def load(self, name: str, model: str | None = None) -> AdapterStatus:
        """Onto the loaded model; it is not switched on. One that is loaded already is read anew.

        Raises NotFound without a model or an adapter of that name, BadRequest when it cannot be used, Busy while a
        request uses it, or the model at all where it is loaded anew.
        """
        with self._in_use(model) as loaded:
            adapter = self._library.find(name)
            if adapter.problem:
                raise BadRequest(f"The adapter {adapter.name} cannot be used: {adapter.problem}", field="name")
            path = self._gguf.file(adapter, loaded.model.shape) if reloads(loaded) else adapter.path
            loaded.adapters.load(adapter.name, str(path.absolute()))
            statuses = self.adapters(loaded.model.id)
        return next(status for status in statuses if status.adapter.name == adapter.name)

    def unload(self, name: str, model: str | None = None) -> None:
        """Raises NotFound without a model, BadRequest for one that is not loaded, Busy while a request uses it."""
        with self._in_use(model) as loaded:
            loaded.adapters.unload(name)

    def switch_on(self, uses: Sequence[AdapterUse], model: str | None = None) -> None:
        """Requests that name no adapters get these, and no others. Raises NotFound without a model, or BadRequest."""
        with self._in_use(model) as loaded:
            loaded.adapters.switch_on(uses)

    @contextmanager
    def _in_use(self, model: str | None) -> Generator[LoadedModel]:
        """Within it nobody throws the model out."""
        loaded = self._chosen(model)
        if loaded is None or not loaded.uses.take():
            raise NotFound("No model is loaded. Load one first: adapters belong to a loaded model.", field="model")
        try:
            yield loaded
        finally:
            loaded.uses.release()

    def _chosen(self, model: str | None) -> LoadedModel | None:
        """None without a loaded model; raises NotFound for a named one that is not loaded."""
        loaded = self._host.loaded()
        if model is None:
            return next((one for one in loaded if one.capabilities.adapters), next(iter(loaded), None))
        for one in loaded:
            if one.model.id == model:
                return one
        raise NotFound(f"{model} is not loaded. Load it first: adapters belong to a loaded model.", field="model")


def reloads(loaded: LoadedModel) -> bool:
    return loaded.capabilities.adapters_as_gguf
