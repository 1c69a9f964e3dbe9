"""What can be exported: an adapter with the model it was trained on, or a model that was trained whole."""

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.library.library import Library
from modules.storage.training_runs import TrainingFolder, TrainingStore
from modules.types.local_adapter import LocalAdapter
from modules.types.local_model import LocalModel


@dataclass(frozen=True)
class ExportSource:
    """`model` is the trained model itself, or the one that the adapter belongs to; None where that is not here, and
    `reason` says so. `run` is how it was trained, where that is known."""

    name: str
    adapter: LocalAdapter | None
    model: LocalModel | None
    reason: str = ""
    run: TrainingFolder | None = None

    def folder(self) -> Path:
        """The model's. Raises BadRequest where it is not here."""
        if self.model is None or self.model.path is None:
            raise BadRequest(self.reason, field="base")
        return self.model.path


class ExportSources:
    """Any thread may call."""

    def __init__(self, adapters: AdapterLibrary, library: Library, runs: TrainingStore) -> None:
        self._adapters = adapters
        self._library = library
        self._runs = runs

    def find(self, name: str, base: str | None = None) -> ExportSource:
        """The adapter or trained model of this name; a run's result has the run's. `base` is the model to take.

        Raises NotFound without either, BadRequest for an adapter that is damaged or a base that cannot be one.
        """
        run = self._run(name)
        try:
            adapter = self._adapters.find(name)
        except NotFound:
            return ExportSource(name, None, self._model(name), run=run)
        if adapter.problem:
            raise BadRequest(f"The adapter {name} cannot be exported: {adapter.problem}", field="adapter")
        if base is not None:
            return ExportSource(name, adapter, self._folder(base), run=run)
        told = run.recipe.model if run is not None else adapter.base_model
        model = self._base(told)
        reason = "" if model is not None else without_base(adapter, told)
        return ExportSource(name, adapter, model, reason, run)

    def _run(self, name: str) -> TrainingFolder | None:
        try:
            run = self._runs.find(name)
        except (NotFound, BadRequest):
            return None
        return run if run.is_sound else None

    def _model(self, name: str) -> LocalModel:
        model = self._library.find(name)
        if model.format != "safetensors" or model.problem:
            raise BadRequest(
                f"{name} is no trained model in Hugging Face format, so there is nothing to export.", field="adapter"
            )
        return model

    def _folder(self, base: str) -> LocalModel:
        model = self._library.find(base)
        if model.format != "safetensors" or model.problem:
            raise BadRequest(
                f"{base} cannot be the base: the model that an adapter was trained on is a folder in Hugging Face "
                "format.",
                field="base",
            )
        return model

    def _base(self, told: str) -> LocalModel | None:
        """By its name here, by where it lies, or by the last part of either: adapters say any of them."""
        models = [one for one in self._library.models() if one.format == "safetensors" and not one.problem]
        last = PureWindowsPath(told).name.casefold()
        by_name = [one for one in models if one.id == told]
        by_place = [one for one in models if str(one.path) == told]
        by_last_part = [one for one in models if last and one.id.rpartition("/")[2].casefold() == last]
        return next(iter([*by_name, *by_place, *by_last_part]), None)


def without_base(adapter: LocalAdapter, told: str) -> str:
    return (
        f"The model that {adapter.name} was trained on is not here as a folder in Hugging Face format"
        f"{f' (it says {told})' if told else ''}. Download it, convert it, or name it as the base."
    )
