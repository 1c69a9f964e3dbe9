"""Which of the models on this machine can be taught, and why others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.errors import BadRequest, ModelError
from modules.library.folders import MAX_JSON_BYTES, read_json
from modules.library.library import Library
from modules.types.local_model import LocalModel

WRITES = ("CausalLM", "LMHeadModel", "ConditionalGeneration")


@dataclass(frozen=True)
class TrainableModel:
    """`reason` says why it cannot be trained, `is_convertible` that it can be once it is converted."""

    model: LocalModel
    reason: str = ""
    is_convertible: bool = False

    @property
    def is_trainable(self) -> bool:
        return not self.reason


class TrainableModels:
    def __init__(self, library: Library) -> None:
        self._library = library

    def all(self) -> list[TrainableModel]:
        """By name, without the echo engine."""
        return [judged(model) for model in self._library.models() if model.path is not None]

    def find(self, name: str) -> tuple[LocalModel, Path]:
        """(the model, its folder). Raises NotFound, or BadRequest saying why it cannot be trained and what can be done."""
        found = judged(self._library.find(name))
        if found.reason or found.model.path is None:
            raise BadRequest(found.reason, field="model", code="needs_conversion" if found.is_convertible else None)
        return found.model, found.model.path


def judged(model: LocalModel) -> TrainableModel:
    if model.path is None:
        return TrainableModel(model, f"{model.title} holds no weights, so there is nothing to train.")
    if model.problem:
        return TrainableModel(model, f"{model.title} cannot be trained: {model.problem}")
    if model.format == "gguf":
        return TrainableModel(
            model,
            f"{model.title} is a GGUF file, which cannot be trained as it is. Convert it to a folder first: the button "
            f"in Finetune, or `python3 webui.py convert {model.id} NEW-NAME`; then train that.",
            is_convertible=True,
        )
    names = list(architectures(model.path))
    if names and not any(name.endswith(WRITES) for name in names):
        return TrainableModel(
            model,
            f"{model.title} turns texts into vectors and does not write ({names[0]}); only models that write learn.",
        )
    return TrainableModel(model)


def architectures(folder: Path) -> Iterator[str]:
    """As its config names them; none where it cannot be read."""
    try:
        names: Any = read_json(folder / "config.json", MAX_JSON_BYTES).get("architectures")
    except (ModelError, OSError):
        return
    if isinstance(names, list):
        yield from (str(name) for name in names)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
