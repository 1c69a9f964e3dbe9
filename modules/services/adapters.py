"""Adapters as people and programs handle them: list, load, switch on, unload."""

from collections.abc import Sequence
from dataclasses import dataclass

from modules.engines.adapters import LoadedAdapters
from modules.engines.host import EngineHost
from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.types.generation import AdapterUse
from modules.types.local_adapter import LocalAdapter


@dataclass(frozen=True)
class AdapterStatus:
    """`memory_bytes` is what a loaded one takes, 0 else; `weight` is None unless it is switched on."""

    adapter: LocalAdapter
    loaded: bool
    memory_bytes: int
    weight: float | None


class AdapterService:
    """All of it concerns the loaded model and is gone with it."""

    def __init__(self, library: AdapterLibrary, host: EngineHost) -> None:
        self._library = library
        self._host = host

    def adapters(self) -> list[AdapterStatus]:
        """Those in the folder, by name."""
        model = self._host.loaded
        loaded = model.adapters.size_bytes if model else {}
        weights = {use.name: use.weight for use in model.adapters.switched_on} if model else {}
        return [
            AdapterStatus(adapter, adapter.name in loaded, loaded.get(adapter.name, 0), weights.get(adapter.name))
            for adapter in self._library.adapters()
        ]

    def load(self, name: str) -> AdapterStatus:
        """Onto the loaded model; it is not switched on. One that is loaded already is read anew.

        Raises NotFound without a model or an adapter of that name, BadRequest when it cannot be used, Busy while a
        request uses it.
        """
        loaded = self._loaded()
        adapter = self._library.find(name)
        if adapter.problem:
            raise BadRequest(f"The adapter {adapter.name} cannot be used: {adapter.problem}", field="name")
        loaded.load(adapter.name, str(adapter.path.absolute()))
        return next(status for status in self.adapters() if status.adapter.name == adapter.name)

    def unload(self, name: str) -> None:
        """Raises NotFound without a model, BadRequest for one that is not loaded, Busy while a request uses it."""
        self._loaded().unload(name)

    def switch_on(self, uses: Sequence[AdapterUse]) -> None:
        """Requests that name no adapters get these, and no others. Raises NotFound without a model, or BadRequest."""
        self._loaded().switch_on(uses)

    def _loaded(self) -> LoadedAdapters:
        if self._host.loaded is None:
            raise NotFound("No model is loaded. Load one first: adapters belong to a loaded model.", field="model")
        return self._host.loaded.adapters
