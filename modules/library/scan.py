"""Finds models in a folder by the names of its files; nothing is read but names, sizes and times."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

from modules.library.folders import CONFIG, is_weights_name
from modules.paths import ADAPTERS

GGUF = ".gguf"
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
HUB_REPOSITORY = re.compile(r"models--(?:(.+?)--)?(.+)")
# Other things in a hub's cache.
HUB_OTHERS = ("datasets--", "spaces--")
SNAPSHOTS = "snapshots"
MAX_DEPTH = 8
# How many missing shards are named.
NAMED = 3
MAX_FOLDERS = 10_000

# Of each file: name, time of change, size. Changes whenever one of them does.
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class FoundFile:
    name: str
    path: Path
    changed: int
    size_bytes: int


@dataclass(frozen=True)
class Candidate:
    """What looks like a model: a file, a set of shards, or a folder in Hugging Face format.

    `name` is its place below the scanned folder, with `/` and without `.gguf`. `files` are its weights, or all files of
    a folder. `missing` are names of shards that are not there, `foreign` of links that lead out of the scanned folder.
    """

    name: str
    format: str
    path: Path
    files: tuple[FoundFile, ...]
    projector: Path | None = None
    missing: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def stamp(self) -> Stamp:
        return (
            *((file.name, file.changed, file.size_bytes) for file in self.files),
            *((x, 0, 0) for x in self.missing),
        )


def scan(root: Path, *, is_own: bool = False) -> list[Candidate]:
    """Every model below `root`, in no order. Hidden things and what links lead to outside of it are passed over.

    The program's own folder is not a model itself, and keeps adapters in a place of their own.
    """
    return list(Scan(root, is_own=is_own).candidates())


def candidate_at(path: Path) -> Candidate | None:
    """The model that is this file (with all its shards) or folder, wherever its links lead; None when it is none."""
    try:
        if path.is_dir():
            files, _ = list_folder(str(path), None)
            return folder_candidate(path, path.name, files)
        beside, _ = list_folder(str(path.parent), None)
    except OSError:
        return None
    own = next((file for file in beside.values() if file.name == path.name), None)
    if own is None:
        return None
    models = file_candidates(path.parent, "", beside, is_shared=True)
    found = next((model for model in models if own in model.files), None)
    return found or Candidate(own.name, "gguf", path, (own,))


class Scan:
    """One walk through a folder."""

    def __init__(self, root: Path, *, is_own: bool) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._is_own = is_own
        self._folders_left = MAX_FOLDERS

    def candidates(self) -> Iterator[Candidate]:
        yield from self._walk(self._root, "", 0, inside=self._is_own)

    def _walk(self, folder: Path, name: str, depth: int, *, inside: bool) -> Iterator[Candidate]:
        """`inside`: a folder here is a part of another model, or no model at all."""
        self._folders_left -= 1
        if self._folders_left < 0:
            return
        try:
            files, folders = list_folder(str(folder), self._real_root)
        except OSError:
            return
        model = None if inside else folder_candidate(folder, name or folder.name, files)
        if model is not None:
            yield model
        yield from file_candidates(folder, name, files, is_shared=depth == 0)
        if depth == MAX_DEPTH:
            return
        part_of_model = model is not None or (inside and depth > 0)
        for child in folders:
            if depth == 0 and self._is_own and child == ADAPTERS:
                continue
            yield from self._step(folder / child, f"{name}/{child}" if name else child, depth + 1, inside=part_of_model)

    def _step(self, folder: Path, name: str, depth: int, *, inside: bool) -> Iterator[Candidate]:
        """A hub's cache keeps each repository's versions apart; the newest is the model."""
        repository = HUB_REPOSITORY.fullmatch(folder.name)
        if repository is None or not (folder / SNAPSHOTS).is_dir():
            if not folder.name.startswith(HUB_OTHERS):
                yield from self._walk(folder, name, depth, inside=inside)
            return
        snapshot = newest_folder(folder / SNAPSHOTS)
        if snapshot is not None:
            title = "/".join(part for part in repository.groups() if part)
            yield from self._walk(snapshot, title, depth, inside=False)


def list_folder(folder: str, real_root: str | None) -> tuple[dict[str, FoundFile], list[str]]:
    """(files by name, names of folders), without hidden ones and links to folders. Raises OSError.

    With `real_root`, a link that leads out of it is a file of size -1.
    """
    files: dict[str, FoundFile] = {}
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
                continue
            leads_out = real_root is not None and entry.is_symlink() and not is_inside(entry.path, real_root)
            try:
                status = entry.stat()
            except OSError:  # a link to nothing
                continue
            if entry.is_file():
                size = -1 if leads_out else status.st_size
                files[entry.name] = FoundFile(entry.name, Path(entry.path), status.st_mtime_ns, size)
    return files, folders


def is_inside(path: str, real_root: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(real_root)


def folder_candidate(folder: Path, name: str, files: dict[str, FoundFile]) -> Candidate | None:
    """A folder claims to hold a model with a config beside weights of any format."""
    config = files.get(CONFIG)
    if config is None or config.size_bytes < 0 or not any(is_weights_name(file) for file in files):
        return None
    listed = tuple(files[file] for file in sorted(files))
    foreign = tuple(file.name for file in listed if file.size_bytes < 0)
    return Candidate(name, "safetensors", folder, listed, foreign=foreign)


def file_candidates(folder: Path, name: str, files: dict[str, FoundFile], *, is_shared: bool) -> Iterator[Candidate]:
    """GGUF files beside each other; what reads images for others is no model of its own."""
    found = sorted((file for file in files.values() if file.name.endswith(GGUF) and file.size_bytes >= 0), key=by_name)
    projectors = [file for file in found if is_projector_name(file.name)]
    shards: dict[tuple[str, int], dict[int, FoundFile]] = {}
    models: list[Candidate] = []
    for file in found:
        if file in projectors:
            continue
        split = SHARD.fullmatch(file.name)
        if split is not None and 0 < int(split[2]) <= int(split[3]):
            shards.setdefault((split[1], int(split[3])), {})[int(split[2])] = file
        else:
            models.append(Candidate(file.name.removesuffix(GGUF), "gguf", file.path, (file,)))
    models += [shard_candidate(base, count, parts) for (base, count), parts in shards.items()]
    for model in models:
        projector = projector_for(model.name, projectors, is_shared=is_shared)
        yield replace(model, name=f"{name}/{model.name}" if name else model.name, projector=projector)


def shard_candidate(base: str, count: int, parts: dict[int, FoundFile]) -> Candidate:
    numbers = sorted(parts)
    missing = (shard_name(base, number, count) for number in range(1, count + 1) if number not in parts)
    files = tuple(parts[number] for number in numbers)
    return Candidate(base, "gguf", files[0].path, files, missing=tuple(islice(missing, NAMED)))


def shard_name(base: str, number: int, count: int) -> str:
    return f"{base}-{number:05}-of-{count:05}{GGUF}"


def is_projector_name(name: str) -> bool:
    return "mmproj" in name.casefold()


def projector_for(model: str, projectors: list[FoundFile], *, is_shared: bool) -> Path | None:
    """The one whose name is most like the model's; in a folder of unlike models, only one that is named after it."""

    def likeness(projector: FoundFile) -> tuple[int, bool]:
        return same_letters(bare(projector.name), bare(model)), "f16" in projector.name.casefold()

    if not projectors:
        return None
    best = max(projectors, key=likeness)
    core = named_model(best.name)
    return best.path if not is_shared or (core and bare(model).startswith(core)) else None


def same_letters(first: str, second: str) -> int:
    """How many at the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def named_model(projector: str) -> str:
    """The model that a projector is named after: without its own quantization."""
    return re.sub(r"(bf16|f16|f32|q\d\w?\d?)$", "", bare(projector))


def bare(name: str) -> str:
    """Letters and digits that names of a model and its projector share."""
    return re.sub(r"[^a-z0-9]", "", name.casefold().removesuffix(GGUF).replace("mmproj", ""))


def newest_folder(folder: Path) -> Path | None:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.stat().st_mtime_ns, entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return None
    return folder / max(found)[1] if found else None


def by_name(file: FoundFile) -> str:
    return file.name
