"""Where a model of a new name is put, and what such a name may be."""

from dataclasses import dataclass
from pathlib import Path

from modules.errors import BadRequest
from modules.library.scan import GGUF, SHARD, is_projector_name, shard_name
from modules.paths import ADAPTERS
from modules.storage.files import resolve_name

MAX_PARTS = 4


@dataclass(frozen=True)
class Place:
    """`name` is the model's id, `folder` where its files lie, `base` what they are called without `.gguf`."""

    name: str
    folder: Path
    base: str

    def targets(self, format_name: str, files: int) -> list[Path]:
        """The folder of a model in Hugging Face format, or as many files as a GGUF model has."""
        if format_name == "safetensors":
            return [self.folder / self.base]
        if files == 1:
            return [self.folder / (self.base + GGUF)]
        return [self.folder / shard_name(self.base, number, files) for number in range(1, files + 1)]

    @property
    def projector(self) -> Path:
        return self.folder / f"mmproj-{self.base}{GGUF}"


def place_of(models: Path, name: str) -> Place:
    """Raises BadRequest naming what is wrong: each part between `/` is a plain name."""
    parts = name.removesuffix(GGUF).split("/")
    if len(parts) > MAX_PARTS:
        raise BadRequest(f"This name cannot be used: it has more than {MAX_PARTS} parts.", field="name")
    if parts[0].casefold() == ADAPTERS:
        raise BadRequest(f"This name cannot be used: {ADAPTERS} is where adapters are kept.", field="name")
    if SHARD.fullmatch(parts[-1] + GGUF) or is_projector_name(parts[-1]):
        raise BadRequest("This name cannot be used: it is one of a part of a model.", field="name")
    folder = models
    for part in parts[:-1]:
        folder = resolve_name(folder, part)
        if folder.exists() and not folder.is_dir():
            raise BadRequest(f"This name cannot be used: {part} is a file.", field="name")
    path = resolve_name(folder, parts[-1])
    inside = path.relative_to(models).as_posix()
    return Place(inside, folder, path.name)
