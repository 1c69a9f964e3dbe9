"""Models as the page shows them; where they lie on the disk is told of linked ones alone."""

from collections.abc import Sequence

from modules.app import App
from modules.engines.status import ModelStatus
from modules.services.library import ListedModel, TrashedModel
from modules.types.estimates import Estimate, Range
from modules.types.local_model import LocalModel
from modules.types.remote import RemoteServer
from modules.ui.actions import View

REMOTE = "remote"
# Architectures that read and do not write.
ENCODERS = frozenset({"bert", "distilbert", "modernbert", "mpnet", "roberta", "xlm-roberta"})


def picker_views(app: App, models: Sequence[LocalModel]) -> list[View]:
    """The models with their states; the page asks for it every few seconds."""
    states = {status.id: status for status in app.models.statuses()}
    favourites = app.library.favourites()
    servers = {server.name: server for server in app.remote.servers()}
    return [
        {
            **model_view(model),
            "favourite": model.id in favourites,
            **state_view(states.get(model.id)),
            **contact_view(servers.get(server_of(model))),
        }
        for model in models
    ]


def suggested(app: App, models: Sequence[LocalModel]) -> str | None:
    """What a browser that has not chosen talks to: the loaded model used last, else the program's `--model`, else the
    first sound one. None when there is nothing but the echo engine, other servers and models that only embed."""
    readers = {model.id for model in models if model.shape.architecture in ENCODERS}
    statuses = [status for status in app.models.statuses() if status.id not in readers]
    alive = [status.id for status in statuses if status.state == "ready" and status.generates]
    coming = [status.id for status in statuses if status.state == "loading"]
    named = [app.settings.model] if app.settings.model else []
    sound = [
        model.id
        for model in models
        if model.format not in {"echo", REMOTE} and not model.problem and model.id not in readers
    ]
    return next(iter([*alive, *coming, *named, *sound]), None)


def model_view(model: LocalModel) -> View:
    """`server` is the one that a remote model is on, empty for all others."""
    return {
        "id": model.id,
        "title": model.title,
        "format": model.format,
        "size_bytes": model.size_bytes,
        "problem": model.problem,
        "server": server_of(model),
    }


def server_of(model: LocalModel) -> str:
    return model.id.partition("/")[0] if model.format == REMOTE else ""


def contact_view(server: RemoteServer | None) -> View:
    """`reachable` is None where nobody has tried since the start, and for models on this machine."""
    return {"reachable": server and server.reachable, "last_heard": server and server.last_heard}


def state_view(status: ModelStatus | None) -> View:
    """`state` is none, loading, ready or failed; `fraction` 0..1 of loading."""
    if status is None:
        return {"state": "none", "fraction": 0.0, "note": "", "error": "", "details": "", "adapters": []}
    return {
        "state": status.state,
        "fraction": status.fraction,
        "note": status.note,
        "error": status.error,
        "details": status.details,
        "adapters": list(status.adapters),
    }


def listed_view(listed: ListedModel, status: ModelStatus | None) -> View:
    """`location` is where a linked model lies, `folder` the models' folder of another program that one lies in."""
    model, shape = listed.model, listed.model.shape
    loaded = status if status is not None and status.state == "ready" else None
    return {
        **model_view(model),
        **state_view(status),
        "favourite": listed.favourite,
        "user_note": listed.note,
        "last_used": listed.last_used,
        "quantization": model.quantization,
        "licence": model.licence,
        "parameters": shape.parameters,
        "context_length": shape.context_length,
        "architecture": shape.architecture,
        "layers": shape.layers,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "vocabulary": shape.vocabulary,
        "has_chat_template": model.has_chat_template,
        "has_projector": model.projector is not None,
        "files": len(model.files),
        "is_built_in": model.path is None,
        "folder": model.folder,
        "location": str(model.path) if model.is_linked else "",
        "memory_bytes": loaded.memory_bytes if loaded else 0,
        "engine": loaded.engine if loaded else "",
        "loaded_context": loaded.context_length if loaded else 0,
        "slots": loaded.slots if loaded else 0,
    }


def trashed_view(trashed: TrashedModel) -> View:
    return {
        "id": trashed.id,
        "name": trashed.name,
        "size_bytes": trashed.size_bytes,
        "is_link": bool(trashed.link),
        "deleted": trashed.deleted,
    }


def estimate_view(estimate: Estimate) -> View:
    """Sizes in bytes, the speed in tokens a second; `speed` is None where nothing can be said."""
    parts, speed = estimate.parts, estimate.tokens_per_second
    return {
        "fit": estimate.fit,
        "memory": range_view(estimate.memory),
        "parts": {
            "weights": parts.weights_bytes,
            "cache": parts.cache_bytes,
            "compute": parts.compute_bytes + estimate.worker_bytes,
        },
        "free_bytes": estimate.free_bytes,
        "speed": None if speed is None else range_view(speed),
        "context_length": parts.context_length,
        "slots": parts.slots,
        "note": estimate.note,
    }


def range_view(figure: Range) -> View:
    return {"value": figure.value, "low": figure.low, "high": figure.high}
