"""The engines there are: the program's own, and those that extensions bring."""

from collections.abc import Callable, Collection, Sequence
from threading import Lock

from modules.engines.echo import ECHO
from modules.engines.hf.kind import HF
from modules.engines.llamacpp.kind import LLAMACPP
from modules.engines.protocol import EngineKind
from modules.engines.remote.kind import REMOTE
from modules.errors import BadRequest, ModelError
from modules.types.extension_source import ExtensionSource

ENGINES: tuple[EngineKind, ...] = (LLAMACPP, HF, REMOTE, ECHO)


class EngineKinds:
    """Those of the program first, so that it takes them first. Any thread may call."""

    def __init__(self, own: Sequence[EngineKind] = ENGINES) -> None:
        self._lock = Lock()
        self._own = tuple(own)
        self._brought: tuple[tuple[EngineKind, ExtensionSource], ...] = ()
        self._tell_removed: Callable[[Collection[str], str], None] = lambda _names, _sentence: None

    @property
    def all(self) -> tuple[EngineKind, ...]:
        return (*self._own, *(kind for kind, _ in self._brought))

    def named(self, name: str) -> EngineKind:
        """Raises BadRequest."""
        return named(self.all, name)

    def taking(self, model_format: str) -> EngineKind:
        """The first that loads models of this format. Raises ModelError."""
        return taking(self.all, model_format)

    def source(self, name: str) -> ExtensionSource | None:
        """What a worker must import for it; None for the program's own."""
        return next((source for kind, source in self._brought if kind.name == name), None)

    def add(self, kinds: Sequence[EngineKind], source: ExtensionSource) -> None:
        """Raises BadRequest for a name that is taken, and adds none then."""
        with self._lock:
            names = [kind.name for kind in self.all]
            for kind in kinds:
                if kind.name in names:
                    owner = self.source(kind.name)
                    of = f", of the extension {owner.extension}" if owner else ""
                    raise BadRequest(f"There is an engine called {kind.name} already{of}.")
                names.append(kind.name)
            self._brought = (*self._brought, *((kind, source) for kind in kinds))

    def arrange(self, order: Sequence[str]) -> None:
        """Those of the extensions that `order` names as it does, the others behind them."""
        places = {extension: place for place, extension in enumerate(order)}
        with self._lock:
            brought = sorted(self._brought, key=lambda one: places.get(one[1].extension, len(places)))
            self._brought = tuple(brought)

    def on_removal(self, tell: Callable[[Collection[str], str], None]) -> None:
        """`tell` gets the names of engines that are gone, and a sentence why; models that run on them end there."""
        self._tell_removed = tell

    def remove(self, extension: str, sentence: str) -> None:
        """Nothing is loaded on them any more; returns once what was loaded has left. `sentence` is for its readers."""
        with self._lock:
            gone = [kind.name for kind, source in self._brought if source.extension == extension]
            self._brought = tuple((kind, source) for kind, source in self._brought if source.extension != extension)
        if gone:
            self._tell_removed(gone, sentence)


def engine_named(name: str) -> EngineKind:
    """One of the program's own. Raises BadRequest."""
    return named(ENGINES, name)


def engine_for(model_format: str) -> EngineKind:
    """One of the program's own. Raises ModelError."""
    return taking(ENGINES, model_format)


def named(kinds: Sequence[EngineKind], name: str) -> EngineKind:
    for kind in kinds:
        if kind.name == name:
            return kind
    names = ", ".join(kind.name for kind in kinds)
    raise BadRequest(f"There is no engine called {name!r}. There are: {names}.", field="engine")


def taking(kinds: Sequence[EngineKind], model_format: str) -> EngineKind:
    for kind in kinds:
        if model_format in kind.formats:
            return kind
    raise ModelError(f"No engine can load a model in the format {model_format!r}.")
