"""Every model the program can name: the files and folders under `models/`, and the echo engine."""

import threading
from collections.abc import Callable
from pathlib import Path

from modules.errors import ModelError, NotFound
from modules.library.folders import CONFIG, is_model_folder, read_model_folder
from modules.library.headers import read_gguf_header
from modules.library.starter import STARTER
from modules.paths import ADAPTERS
from modules.types.local_model import LocalModel, ModelShape

ECHO_MODEL = LocalModel("echo", "Echo (repeats what you say)", "echo")


class Library:
    """Reads headers only, and each file's once as long as it does not change. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._described: dict[Path, tuple[Stamp, LocalModel]] = {}

    def models(self) -> list[LocalModel]:
        """By name; damaged files too, with their problem; the echo engine last."""
        with self._lock:
            found = [
                *(self._describe(path, describe_file) for path in self._visible("*.gguf") if path.is_file()),
                *(self._describe(folder, describe_folder) for folder in self._model_folders()),
            ]
            kept = {model.path for model in found}
            self._described = {path: entry for path, entry in self._described.items() if path in kept}
        return [*sorted(found, key=lambda model: model.id.casefold()), ECHO_MODEL]

    def find(self, name: str) -> LocalModel:
        """The model of exactly this id; never a path. Raises NotFound with the names there are."""
        models = self.models()
        for model in models:
            if model.id == name:
                return model
        names = ", ".join(model.id for model in models if not model.problem)
        raise NotFound(
            f"There is no model called {name[:200]!r}. There are: {names}.", field="model", code="model_not_found"
        )

    def _visible(self, pattern: str) -> list[Path]:
        """Paths below the folder; links that leave it, hidden folders and adapters are passed over."""
        if not self._folder.is_dir():
            return []
        root = self._folder.resolve()
        return [
            path
            for path in self._folder.rglob(pattern)
            if (parts := path.relative_to(self._folder).parts)[0] != ADAPTERS
            and not any(part.startswith(".") for part in parts)
            and path.resolve().is_relative_to(root)
        ]

    def _model_folders(self) -> list[Path]:
        """A folder inside a model's folder is a part of that model."""
        folders = {path.parent for path in self._visible(CONFIG) if is_model_folder(path.parent)} - {self._folder}
        return [folder for folder in folders if folders.isdisjoint(folder.parents)]

    def _describe(self, path: Path, describe: "Describe") -> LocalModel:
        stamp = stamp_of(path)
        known = self._described.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        model = describe(path, path.relative_to(self._folder).as_posix())
        self._described[path] = (stamp, model)
        return model


Describe = Callable[[Path, str], LocalModel]
# Of each file: name, time of change, size.
Stamp = tuple[tuple[str, int, int], ...]


def stamp_of(path: Path) -> Stamp:
    """Changes whenever a file does."""
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file())
    return tuple((file.name, (status := file.stat()).st_mtime_ns, status.st_size) for file in files)


def describe_file(path: Path, name: str) -> LocalModel:
    """One GGUF file is a model; the starter goes by a name of its own."""
    is_starter = name == STARTER.file_name
    shape, problem = ModelShape(), ""
    try:
        shape = read_gguf_header(path).shape
    except ModelError as error:
        problem = str(error)
    bare = name.removesuffix(".gguf")
    status = path.stat()
    return LocalModel(
        id=STARTER.id if is_starter else bare,
        title=STARTER.title if is_starter else printable(bare),
        format="gguf",
        path=path,
        size_bytes=status.st_size,
        created=status.st_mtime,
        shape=shape,
        problem=problem,
    )


def describe_folder(path: Path, name: str) -> LocalModel:
    """One folder in Hugging Face format is a model."""
    shape, size_bytes, problem = ModelShape(), 0, ""
    try:
        folder = read_model_folder(path)
        shape, size_bytes = folder.shape, folder.size_bytes
    except ModelError as error:
        problem = str(error)
    except OSError as error:
        problem = f"It cannot be read: {error.strerror}."
    return LocalModel(
        id=name,
        title=printable(name),
        format="safetensors",
        path=path,
        size_bytes=size_bytes,
        created=path.stat().st_mtime,
        shape=shape,
        problem=problem,
    )


def printable(name: str) -> str:
    """Control characters in a file's name must not reach a terminal or a log."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
