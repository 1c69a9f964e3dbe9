"""The engines there are."""

from modules.engines.echo import ECHO
from modules.engines.hf.kind import HF
from modules.engines.llamacpp.kind import LLAMACPP
from modules.engines.protocol import EngineKind
from modules.engines.remote.kind import REMOTE
from modules.errors import BadRequest, ModelError

ENGINES: tuple[EngineKind, ...] = (LLAMACPP, HF, REMOTE, ECHO)


def engine_named(name: str) -> EngineKind:
    for kind in ENGINES:
        if kind.name == name:
            return kind
    names = ", ".join(kind.name for kind in ENGINES)
    raise BadRequest(f"There is no engine called {name!r}. There are: {names}.", field="engine")


def engine_for(model_format: str) -> EngineKind:
    for kind in ENGINES:
        if model_format in kind.formats:
            return kind
    raise ModelError(f"No engine can load a model in the format {model_format!r}.")
