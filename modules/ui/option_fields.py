"""What a model can be loaded with, as fields of a form: made from the engine's own declaration."""

from collections.abc import Mapping, Sequence
from typing import Any

from modules.engines.protocol import EngineOptions
from modules.ui.actions import View

AUTOMATIC = "automatic"
# Defaults by which an engine chooses for itself.
CHOOSES = (0, -1, "", "auto")
WORDS = {"gpu": "GPU", "cpu": "CPU", "cuda": "CUDA", "kv": "KV", "mib": "(MiB)", "dtype": "number format"}


def option_fields(
    options: type[EngineOptions], usual: Mapping[str, Any], names: Mapping[str, Sequence[str]], *, has_gpu: bool
) -> list[View]:
    """Every option that a request may set and that can matter on this machine, in the order of its declaration.

    `usual` are the values that the flags of the start give; `names` what an option that holds a name can be.
    """
    properties: dict[str, dict[str, Any]] = options.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "label": label_of(name),
            "help": schema.get("description", ""),
            "advanced": bool(schema.get("advanced")),
            "default": schema.get("default"),
            **control_of(schema, usual.get(name, schema.get("default")), names.get(name)),
        }
        for name, schema in properties.items()
        if not schema.get("readOnly") and (has_gpu or not schema.get("gpu") or name in usual)
    ]


def control_of(schema: Mapping[str, Any], usual: Any, names: Sequence[str] | None) -> View:
    """`kind` is number, choice, switch or text. `automatic` says in words what holds where nothing is set."""
    automatic = AUTOMATIC if usual in CHOOSES else str(usual)
    if names is not None:
        return {"kind": "choice", "choices": [choice("", automatic), *(choice(name, name) for name in names)]}
    if "enum" in schema:
        named = [choice(value, AUTOMATIC if value == "auto" else value) for value in schema["enum"]]
        return {"kind": "choice", "choices": named, "default": usual}
    if schema.get("type") == "boolean":
        return {"kind": "switch", "default": usual}
    if schema.get("type") in {"integer", "number"}:
        bounds = {"minimum": schema.get("minimum"), "maximum": schema.get("maximum")}
        return {"kind": "number", "automatic": automatic, **bounds}
    return {"kind": "text", "automatic": automatic, "max_length": schema.get("maxLength")}


def choice(value: str, text: str) -> View:
    return {"value": value, "text": text}


def label_of(name: str) -> str:
    """`gpu_memory_mib` is GPU memory (MiB)."""
    label = " ".join(WORDS.get(word, word) for word in name.split("_"))
    return label[:1].upper() + label[1:]
