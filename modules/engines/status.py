"""What people and programs are told of a model that is loaded, being loaded or has failed."""

from dataclasses import dataclass, field
from typing import Any, Literal

from modules.engines.loaded import LoadedModel
from modules.engines.loading import Loading
from modules.errors import ModelCause

ModelState = Literal["loading", "ready", "failed"]


@dataclass(frozen=True)
class ModelStatus:
    """`fraction` is 0..1 of loading, `note` what is being done or how it was loaded; one that waits says "waiting".

    `error`, `cause` and `details`, the engine's own last words, are of failed ones. `memory_bytes` is what the worker
    takes of main memory now; `last_used` is Unix time; `adapters` are those that are switched on.

    Of a loaded model on a server: `reachable` is whether the server answered last, None before anyone tried and for all
    other models; `last_heard` is Unix time of its last answer, and `error` says why it does not answer.
    """

    id: str
    engine: str
    state: ModelState
    fraction: float = 0.0
    note: str = ""
    error: str = ""
    details: str = ""
    cause: ModelCause | None = None
    slots: int = 0
    context_length: int = 0
    generates: bool = False
    embeds: bool = False
    running: int = 0
    queued: int = 0
    tokens_evaluated: int = 0
    worker_pid: int = 0
    memory_bytes: int = 0
    last_used: float = 0.0
    reachable: bool | None = None
    last_heard: float | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    adapters: tuple[str, ...] = ()


def loading_status(loading: Loading) -> ModelStatus:
    wish = loading.wish
    return ModelStatus(
        wish.model.id,
        wish.engine,
        "loading",
        fraction=loading.fraction,
        note=loading.note,
        last_used=loading.asked,
        options=wish.options,
    )


def ready_status(loaded: LoadedModel) -> ModelStatus:
    load = loaded.workload
    can = loaded.capabilities
    return ModelStatus(
        loaded.model.id,
        loaded.engine,
        "ready",
        fraction=1.0,
        note="; ".join(can.notes),
        slots=can.slots,
        context_length=can.context_length,
        generates=can.generates,
        embeds=can.embeds,
        running=load.running,
        queued=load.queued,
        tokens_evaluated=load.tokens_evaluated,
        worker_pid=loaded.process.pid,
        memory_bytes=loaded.measured.now(),
        last_used=loaded.uses.last,
        options=loaded.wish.options,
        adapters=tuple(use.name for use in loaded.adapters.switched_on),
    )
