"""The models on disk as a person keeps them: rename, delete and undo, notes, favourites, import."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest, Busy, Conflict, StorageError
from modules.jobs import JobRunner
from modules.library.foreign import ForeignPrograms, FoundModel
from modules.library.library import RESERVED, Library
from modules.library.placing import Place, place_of
from modules.library.trash import Trash, TrashedModel
from modules.limits import LIMITS
from modules.paths import Paths
from modules.services.model_import import ModelImport
from modules.storage.database import cleaned
from modules.storage.linked_models import LinkedModels
from modules.storage.model_options import ModelOptionsStore
from modules.storage.model_records import ModelRecord, ModelRecords
from modules.storage.moves import Move, Mover, Plan
from modules.storage.parameters import ParameterStore
from modules.types.jobs import Job
from modules.types.local_model import LocalModel

PLANS = "unfinished"


@dataclass(frozen=True)
class ListedModel:
    """`last_used` is Unix seconds, None for never."""

    model: LocalModel
    favourite: bool
    note: str
    last_used: float | None


class LibraryService:
    """Any thread may call. Only files of the program's own models' folder are ever changed.

    `in_use(name)` says whether a model is loaded or being loaded: such a one is neither renamed nor deleted.
    """

    def __init__(
        self,
        paths: Paths,
        library: Library,
        *,
        links: LinkedModels,
        records: ModelRecords,
        options: ModelOptionsStore,
        parameters: ParameterStore,
        jobs: JobRunner,
        in_use: Callable[[str], bool],
    ) -> None:
        self._models = paths.models
        self._library = library
        self._links = links
        self._records = records
        self._options = options
        self._parameters = parameters
        self._jobs = jobs
        self._in_use = in_use
        self._lock = threading.RLock()
        self._mover = Mover(paths.models, paths.trash / PLANS, self._move_records)
        self._trash = Trash(paths.models, paths.trash, self._mover)
        self._import = ModelImport(paths, self._mover)
        self._mover.finish()
        self._import.clean_up()

    def models(self) -> list[ListedModel]:
        """Those on disk, damaged ones too."""
        records = self._records.all()
        found: list[ListedModel] = []
        for model in self._library.models():
            if model.path is not None:
                record = records.get(cleaned(model.id), ModelRecord())
                found.append(ListedModel(model, record.favourite, record.note, record.last_used))
        return found

    def favourites(self) -> set[str]:
        """Their names; also of models that are not here at the moment."""
        return {name for name, record in self._records.all().items() if record.favourite}

    def rename(self, name: str, new_name: str) -> LocalModel:
        """All its files, and what is remembered of it. Raises Busy, Conflict, BadRequest, NotFound or StorageError."""
        with self._lock:
            model = self._changeable(name)
            place = self._free_place(new_name)
            if model.is_linked:
                self._links.rename(name, place.name)
                self._move_records(name, place.name)
                return self._library.find(place.name)
            moves = self._renaming(model, place)
            self._mover.carry_out(Plan(moves, renamed=(name, place.name)))
            return self._model_at(moves[0][1])

    def delete(self, name: str) -> TrashedModel:
        """Into the trash; a linked model's files stay where they are. Raises as `rename` does."""
        with self._lock:
            model = self._changeable(name)
            if model.is_linked:
                trashed = self._trash.put(name, 0, (), link=str(model.path))
                self._links.remove(name)
                return trashed
            return self._trash.put(name, model.size_bytes, [*own_paths(model), *self._own_projector(model)])

    def trash(self) -> list[TrashedModel]:
        """Newest first."""
        return self._trash.models()

    def restore(self, trash_id: str) -> LocalModel:
        """Raises Conflict when its place or name was taken meanwhile, NotFound for what is not in the trash."""
        with self._lock:
            trashed = self._trash.find(trash_id)
            if not trashed.link:
                self._trash.take_out(trashed)
                return self._model_at(self._models / trashed.paths[0])
            self._check_free(trashed.name)
            self._links.add(trashed.name, Path(trashed.link))
            self._trash.take_out(trashed)
            return self._library.find(trashed.name)

    def empty_trash(self) -> int:
        """For good; returns the bytes that were freed."""
        with self._lock:
            return self._trash.empty()

    def set_note(self, name: str, text: str) -> None:
        if len(text) > LIMITS.model_note_chars:
            raise BadRequest(f"A note has at most {LIMITS.model_note_chars:,} characters.", field="text")
        self._records.set_note(self._library.find(name).id, text)

    def set_favourite(self, name: str, favourite: bool) -> None:
        self._records.set_favourite(self._library.find(name).id, favourite)

    def used(self, name: str) -> None:
        """It was loaded, or has answered. Never raises for a disk that is full."""
        with suppress(StorageError):
            self._records.used(name)

    def import_model(self, path: str, name: str, *, copy: bool) -> Job:
        """A GGUF file (with all its shards) or a folder in Hugging Face format from anywhere, as the model `name`.

        Raises BadRequest for what is no model, in the same words whether or not there is something; Conflict for a
        name that is taken. A copy is published when it is whole; a link is there at once.
        """
        with self._lock:
            candidate = self._import.candidate(path)
            place = self._free_place(name)
            if copy:
                return self._jobs.start(f"import {place.name}", self._import.copying(candidate, place))
            self._links.add(place.name, candidate.path)
        return self._jobs.start(f"import {place.name}", lambda report, _: report(1.0, "done"))

    def found_elsewhere(self) -> list[FoundModel]:
        """Models of other programs of this person: the hub's cache, LM Studio, Ollama. Takes a moment."""
        return ForeignPrograms.of_this_person().models()

    def _model_at(self, path: Path) -> LocalModel:
        return next(model for model in self._library.models() if model.path == path)

    def _changeable(self, name: str) -> LocalModel:
        model = self._library.find(name)
        if model.path is None:
            raise BadRequest(f"{model.title} is no file, so it can be neither renamed nor deleted.", field="model")
        if model.folder:
            raise BadRequest(
                f"{model.title} lies in the folder {model.folder} of another program, where nothing is changed.",
                field="model",
            )
        if self._in_use(name):
            raise Busy(f"{model.title} is loaded. Unload it first.")
        inside = [other.id for other in self._library.models() if is_below(other, model)]
        if inside:
            raise BadRequest(
                f"Other models lie in its folder: {', '.join(inside[:3])}. Move them first.", field="model"
            )
        return model

    def _free_place(self, name: str) -> Place:
        place = place_of(self._models, name)
        if place.name in RESERVED:
            raise Conflict(f"The name {place.name} is kept for the model that comes with Parlor.", field="name")
        self._check_free(place.name)
        return place

    def _check_free(self, name: str) -> None:
        """Ids that differ in case only would be one file on some systems."""
        for model in self._library.models():
            if model.id.casefold() == name.casefold():
                raise Conflict(f"There is a model called {model.title} already; choose another name.", field="name")
            if not model.folder and model.format == "safetensors" and name.startswith(f"{model.id}/"):
                raise Conflict(f"{model.title} is a model's folder; nothing can be put into it.", field="name")

    def _renaming(self, model: LocalModel, place: Place) -> tuple[Move, ...]:
        """A projector goes along when it reads images for this model alone."""
        projectors = self._own_projector(model)
        if model.projector is not None and not projectors and place.folder != model.projector.parent:
            raise BadRequest(
                "What reads images for this model serves others beside it too, so it must stay in its folder.",
                field="name",
            )
        targets = place.targets(model.format, len(model.files))
        return (
            *zip(own_paths(model), targets, strict=True),
            *((projector, place.projector) for projector in projectors),
        )

    def _own_projector(self, model: LocalModel) -> list[Path]:
        if model.projector is None:
            return []
        users = [other.id for other in self._library.models() if other.projector == model.projector]
        return [model.projector] if users == [model.id] else []

    def _move_records(self, name: str, new_name: str) -> None:
        self._records.rename(name, new_name)
        self._options.rename(name, new_name)
        self._parameters.rename_target("model", name, new_name)


def own_paths(model: LocalModel) -> tuple[Path, ...]:
    """What is moved when the model is."""
    assert model.path is not None
    return (model.path,) if model.format == "safetensors" else model.files


def is_below(other: LocalModel, model: LocalModel) -> bool:
    """Whether it lies in the folder that is `model`."""
    return other.path is not None and model.path is not None and model.path in other.path.parents
