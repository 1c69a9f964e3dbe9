"""Every model the program can name: the files under `models/`, and the echo engine."""

import threading
from pathlib import Path

from modules.errors import ModelError, NotFound
from modules.library.headers import GgufHeader, read_gguf_header
from modules.library.starter import STARTER
from modules.types.local_model import LocalModel

ECHO_MODEL = LocalModel("echo", "Echo (repeats what you say)", "echo")


class Library:
    """Reads headers only, and each file's once as long as it does not change. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._described: dict[Path, tuple[tuple[int, int], LocalModel]] = {}

    def models(self) -> list[LocalModel]:
        """By name; damaged files too, with their problem; the echo engine last."""
        with self._lock:
            found = [self._describe(path) for path in self._files()]
            kept = {model.path for model in found}
            self._described = {path: entry for path, entry in self._described.items() if path in kept}
        return [*sorted(found, key=lambda model: model.id.casefold()), ECHO_MODEL]

    def find(self, name: str) -> LocalModel:
        """The model of exactly this id; never a path. Raises NotFound with the names there are."""
        models = self.models()
        for model in models:
            if model.id == name:
                return model
        names = ", ".join(model.id for model in models)
        raise NotFound(
            f"There is no model called {name[:200]!r}. There are: {names}.", field="model", code="model_not_found"
        )

    def _files(self) -> list[Path]:
        """GGUF files; links that leave the folder and hidden folders are passed over."""
        if not self._folder.is_dir():
            return []
        root = self._folder.resolve()
        return [
            path
            for path in self._folder.rglob("*.gguf")
            if not any(part.startswith(".") for part in path.relative_to(self._folder).parts)
            and path.is_file()
            and path.resolve().is_relative_to(root)
        ]

    def _describe(self, path: Path) -> LocalModel:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._described.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        name = path.relative_to(self._folder).with_suffix("").as_posix()
        problem = ""
        header: GgufHeader | None = None
        try:
            header = read_gguf_header(path)
        except ModelError as error:
            problem = str(error)
        is_starter = path.name == STARTER.file_name and path.parent == self._folder
        title = STARTER.title if is_starter else printable(name)
        model = LocalModel(
            id=STARTER.id if is_starter else name,
            title=title,
            format="gguf",
            path=path,
            size_bytes=status.st_size,
            created=status.st_mtime,
            shape=header.shape if header else LocalModel("", "", "").shape,
            problem=problem,
        )
        self._described[path] = (stamp, model)
        return model


def printable(name: str) -> str:
    """Control characters in a file's name must not reach a terminal or a log."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
