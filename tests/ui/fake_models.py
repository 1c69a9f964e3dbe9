"""What the Models view and the picker talk to, without a model."""

import threading
import time
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
        "adapters": [],
        "reachable": None,
        "last_heard": None,
        **values,
    }


LISTED = {
    "quantization": "Q4_K_M",
    "licence": "apache-2.0",
    "parameters": 7_240_000_000,
    "context_length": 32_768,
    "architecture": "llama",
    "layers": 32,
    "heads": 32,
    "kv_heads": 8,
    "vocabulary": 32_000,
    "has_chat_template": True,
    "has_projector": False,
    "files": 1,
    "user_note": "",
    "last_used": None,
    "memory_bytes": 0,
    "engine": "",
    "loaded_context": 0,
    "slots": 0,
    "is_built_in": False,
    "folder": "",
    "location": "",
}
FIELDS = [
    {
        "name": "context_length",
        "label": "Context length",
        "kind": "number",
        "minimum": 0,
        "maximum": 4_194_304,
        "automatic": "automatic",
        "default": 0,
        "help": "Tokens one request may hold.",
        "advanced": False,
    },
    {
        "name": "cache_type",
        "label": "Cache type",
        "kind": "choice",
        "choices": [{"value": "auto", "text": "automatic"}, {"value": "q8_0", "text": "q8_0"}],
        "default": "auto",
        "help": "How keys and values are kept.",
        "advanced": False,
    },
    {
        "name": "flash_attention",
        "label": "Flash attention",
        "kind": "switch",
        "default": True,
        "help": "Compute attention in one pass.",
        "advanced": False,
    },
    {
        "name": "threads",
        "label": "Threads",
        "kind": "number",
        "minimum": 0,
        "maximum": 1024,
        "automatic": "automatic",
        "default": 0,
        "help": "Threads for computing.",
        "advanced": True,
    },
]


class FakeModels:
    """Public fields are set by tests. Answers on Gradio's threads."""

    def __init__(self) -> None:
        self.models: list[View] = [model(state="ready")]
        self.trash: list[View] = []
        self.suggested: str | None = "small"
        self.loads_at_once = True
        self.engines = ["llamacpp"]
        self.remembered: View = {}
        self.free_bytes = 8_000_000_000
        self.needs: dict[str, float] = {}
        self.adapters: list[View] = []
        self.adaptable: list[str] = []
        self.lets_switch = threading.Event()
        self.lets_switch.set()
        self.speed: View | None = {"value": 12.0, "low": 9.0, "high": 15.0}

    def named(self, identity: str) -> View:
        return next(one for one in self.models if one["id"] == identity)

    def state(self) -> View:
        return {"models": self.models, "suggested": self.suggested}

    def models_list(self, _values: View) -> View:
        used = sum(one["size_bytes"] for one in self.models if one["state"] == "ready")
        return {
            "models": [{**LISTED, **one} for one in self.models if not one["server"]],
            "memory": {"used_bytes": used, "budget_bytes": self.free_bytes},
            "trash": [{"id": one["id"], "name": one["title"], **deleted_of(one)} for one in self.trash],
        }

    def models_load(self, values: View) -> View:
        if problem := self._problem(values):
            return problem
        state = "ready" if self.loads_at_once else "loading"
        self.named(values["model"]).update({"state": state, "fraction": 0.43, "error": ""})
        return {}

    def models_unload(self, values: View) -> View:
        self.named(values["model"])["state"] = "none"
        return {}

    def models_favourite(self, values: View) -> View:
        self.named(values["model"])["favourite"] = values["favourite"]
        return {}

    def models_note(self, values: View) -> View:
        self.named(values["model"])["user_note"] = values["note"]
        return {}

    def models_rename(self, values: View) -> View:
        self.named(values["model"]).update({"id": values["new_name"], "title": values["new_name"]})
        return {"model": values["new_name"]}

    def models_delete(self, values: View) -> View:
        gone = self.named(values["model"])
        self.models.remove(gone)
        self.trash.append(gone)
        return {"trashed": {"id": gone["id"], "name": gone["title"], **deleted_of(gone)}}

    def models_restore(self, values: View) -> View:
        back = next(one for one in self.trash if one["id"] == values["trash_id"])
        self.trash.remove(back)
        self.models.append(back)
        return {}

    def models_empty_trash(self, _values: View) -> View:
        self.trash.clear()
        return {}

    def models_needs(self, _values: View) -> View:
        return {"needs": self.needs}

    def adapter_list(self, values: View) -> View:
        """Only the first of the adaptable models has any loaded."""
        chosen = values["model"] or next(iter(self.adaptable), None)
        bare = {"loaded": False, "memory_bytes": 0, "weight": None}
        shown = self.adapters if chosen in self.adaptable[:1] else [{**one, **bare} for one in self.adapters]
        models = [{"id": name, "title": self.named(name)["title"]} for name in self.adaptable]
        return {"models": models, "model": chosen, "adapters": shown, "largest_weight": 4, "most": 8, "note": ""}

    def adapter_load(self, values: View) -> View:
        self._adapter(values["name"]).update({"loaded": True, "memory_bytes": 4_000_000})
        return {}

    def adapter_unload(self, values: View) -> View:
        self._adapter(values["name"]).update({"loaded": False, "memory_bytes": 0, "weight": None})
        return {}

    def adapter_switch(self, values: View) -> View:
        self.lets_switch.wait(20)
        weights = {one["name"]: one["weight"] for one in values["adapters"]}
        for one in self.adapters:
            one["weight"] = weights.get(one["name"])
        return {}

    def models_form(self, values: View) -> View:
        engine = values["engine"] or self.engines[0]
        return {"engines": self.engines, "engine": engine, "fields": FIELDS, "values": self.remembered}

    def models_estimate(self, values: View) -> View:
        if problem := self._problem(values):
            return problem
        context = values["options"].get("context_length", 8192)
        weights = self.named(values["model"])["size_bytes"]
        parts = {"weights": weights, "cache": context * 131_072, "compute": 80_000_000}
        needed = sum(parts.values())
        return {
            "fit": "cpu" if needed < self.free_bytes else "no",
            "memory": {"value": needed, "low": needed * 0.95, "high": needed * 1.05},
            "parts": parts,
            "gpu_bytes": 0,
            "free_bytes": self.free_bytes,
            "speed": self.speed,
            "context_length": context,
            "slots": 2,
            "note": "",
        }

    def _adapter(self, name: str) -> View:
        return next(one for one in self.adapters if one["name"] == name)

    def _problem(self, values: View) -> View | None:
        if (values.get("options") or {}).get("context_length", 0) <= 4_194_304:
            return None
        message = "The option context_length is wrong: it is more than 4,194,304."
        return {"error": {"message": message, "code": "invalid_request", "field": "options.context_length"}}


def adapter(name: str = "pirate", **values: Any) -> View:
    """One that is not loaded."""
    return {
        "name": name,
        "base_model": "maker/large",
        "kind": "lora",
        "rank": 16,
        "size_bytes": 6_700_000,
        "problem": "",
        "loaded": False,
        "memory_bytes": 0,
        "weight": None,
        **values,
    }


def deleted_of(gone: View) -> View:
    is_link = bool(gone.get("location"))
    return {"size_bytes": 0 if is_link else gone["size_bytes"], "is_link": is_link, "deleted": time.time()}
