"""What the Models view and the picker talk to, without a model."""

from typing import Any

View = dict[str, Any]


def model(identity: str = "small", title: str = "Small Model", **values: Any) -> View:
    """One as the program tells it; not loaded unless said otherwise."""
    return {
        "id": identity,
        "title": title,
        "format": "gguf",
        "size_bytes": 98_000_000,
        "problem": "",
        "favourite": False,
        "server": "",
        "state": "none",
        "fraction": 0,
        "note": "",
        "error": "",
        "details": "",
        **values,
    }


class FakeModels:
    """Public fields are set by tests. Answers on Gradio's threads."""

    def __init__(self) -> None:
        self.models: list[View] = [model(state="ready")]
        self.suggested: str | None = "small"
        self.loads_at_once = True

    def named(self, identity: str) -> View:
        return next(one for one in self.models if one["id"] == identity)

    def state(self) -> View:
        return {"models": self.models, "suggested": self.suggested}

    def models_load(self, values: View) -> View:
        state = "ready" if self.loads_at_once else "loading"
        self.named(values["model"]).update({"state": state, "fraction": 0.43, "error": ""})
        return {}

    def models_unload(self, values: View) -> View:
        self.named(values["model"])["state"] = "none"
        return {}
