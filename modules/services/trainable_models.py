"""The models on this machine that can be taught, by name."""

from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest
from modules.library.library import Library
from modules.services.conversion import origin_of
from modules.services.trainable import trainable
from modules.types.local_model import LocalModel


@dataclass(frozen=True)
class TrainableModel:
    """`reason` says why it cannot be trained; `is_convertible`, that it can be once it is a folder.

    `converted` is the model that it became already, empty where it did not.
    """

    model: LocalModel
    is_trainable: bool
    reason: str
    is_convertible: bool
    converted: str = ""


class TrainableModels:
    def __init__(self, library: Library) -> None:
        self._library = library

    def all(self) -> list[TrainableModel]:
        """By name, without the echo engine, which holds no weights."""
        found = [(model, model.path, trainable(model)) for model in self._library.models() if model.path is not None]
        made = {origin: model.id for model, path, answer in found if answer[0] and (origin := origin_of(path))}
        return [
            TrainableModel(model, *answer, made.get(path.name, "") if answer[2] else "")
            for model, path, answer in found
        ]

    def find(self, name: str) -> tuple[LocalModel, Path]:
        """(the model, its folder). Raises NotFound, or BadRequest saying why it cannot be trained and what helps."""
        model = self._library.find(name)
        is_trainable, reason, is_convertible = trainable(model)
        if is_trainable and model.path is not None:
            return model, model.path
        offer = f" In a terminal: python3 webui.py convert {name} NEW-NAME" if is_convertible else ""
        raise BadRequest(f"{name} cannot be trained. {reason}{offer}", field="model")
