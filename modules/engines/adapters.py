"""The adapters of a loaded model as its parent process knows them: which there are, and which are switched on."""

from collections.abc import Iterable, Sequence

from modules.engines.process import EngineProcess
from modules.errors import BadRequest
from modules.types.generation import AdapterUse


class LoadedAdapters:
    """Requests that name no adapters get those that are switched on; loading switches none on. Any thread may call."""

    def __init__(self, process: EngineProcess, engine: str, *, supported: bool) -> None:
        self._process = process
        self._engine = engine
        self._supported = supported
        self._size_bytes: dict[str, int] = {}
        self._switched_on: tuple[AdapterUse, ...] = ()

    @property
    def size_bytes(self) -> dict[str, int]:
        """Memory that each loaded adapter takes, by name."""
        return dict(self._size_bytes)

    @property
    def switched_on(self) -> tuple[AdapterUse, ...]:
        return self._switched_on

    def load(self, name: str, path: str) -> None:
        """Load an adapter, a folder or a file as the engine takes them, in the place of one of the same name.

        Raises BadRequest when the engine takes none or this one does not fit, Busy while a request uses that name.
        """
        self._require_support("name")
        self._size_bytes[name] = self._process.load_adapter(name, path)

    def unload(self, name: str) -> None:
        """Raises BadRequest for an unknown name, Busy while a request uses it."""
        self._require_support("name")
        self._process.unload_adapter(name)
        self._size_bytes.pop(name, None)
        self._switched_on = tuple(use for use in self._switched_on if use.name != name)

    def switch_on(self, uses: Sequence[AdapterUse]) -> None:
        """These and no others from now on. Raises BadRequest for an unknown name."""
        self._switched_on = self.chosen(uses)

    def chosen(self, uses: Sequence[AdapterUse] | None) -> tuple[AdapterUse, ...]:
        """What a request that asks for `uses` gets; None asks for those that are switched on. Raises BadRequest."""
        if uses is None:
            return self._switched_on
        if uses:
            self._require_support("adapters")
        names = [use.name for use in uses]
        for place, name in enumerate(names):
            if name not in self._size_bytes:
                raise unknown_adapter(name, self._size_bytes, field="adapters")
            if name in names[:place]:
                raise BadRequest(f"The adapter {name} is named twice; give it one weight.", field="adapters")
        return tuple(uses)

    def _require_support(self, field: str) -> None:
        if not self._supported:
            raise BadRequest(
                f"The {self._engine} engine takes no adapters; load a model with the transformers engine or llama.cpp.",
                field=field,
            )


def unknown_adapter(name: str, loaded: Iterable[str], field: str) -> BadRequest:
    there = ", ".join(loaded)
    return BadRequest(
        f"No adapter called {name[:200]!r} is loaded. Loaded are: {there or 'none'}. Load it first.", field=field
    )
