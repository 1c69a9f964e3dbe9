"""Models as the page shows them."""

from modules.app import App
from modules.engines.host import ModelStatus
from modules.types.local_model import LocalModel
from modules.ui.actions import View


def model_views(app: App) -> list[View]:
    """Every model that can be named, with its state: what the picker needs, cheap enough to be asked every second."""
    states = {status.id: status for status in statuses(app)}
    return [model_view(model, states.get(model.id)) for model in app.models.models()]


def statuses(app: App) -> list[ModelStatus]:
    """Most recently used first."""
    status = app.models.status()
    return [] if status is None else [status]


def model_view(model: LocalModel, status: ModelStatus | None) -> View:
    return {
        "id": model.id,
        "title": model.title,
        "format": model.format,
        "size_bytes": model.size_bytes,
        "problem": model.problem,
        **state_view(status),
    }


def state_view(status: ModelStatus | None) -> View:
    """`state` is none, loading, ready or failed; `fraction` 0..1 of loading."""
    if status is None:
        return {"state": "none"}
    return {
        "state": status.state,
        "fraction": status.fraction,
        "note": status.note,
        "error": status.error,
        "details": status.details,
    }


def suggested(app: App) -> str | None:
    """What a browser that has not chosen talks to: the loaded model used last, else the program's `--model`, else the
    first sound one. None when there is nothing but the echo engine."""
    loaded = [status.id for status in statuses(app) if status.state != "failed"]
    sound = [model.id for model in app.models.models() if model.format != "echo" and not model.problem]
    return next(iter([*loaded, *([app.settings.model] if app.settings.model else []), *sound]), None)
