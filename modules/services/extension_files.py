"""The files of an extension as they lie in a folder: which they are, and how they come there."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from modules.errors import BadRequest
from modules.extension_packages import REQUIREMENTS
from modules.storage.foreign_names import unsafe_names
from modules.types.extension_installs import ExtensionFile, InstallLimits, InstallRecord

# Neither shown nor kept: the history of the author's work, what Python computed on another machine, packages.
LEFT_OUT = frozenset({".git", ".hg", "__pycache__", REQUIREMENTS})


def files_in(folder: Path) -> tuple[ExtensionFile, ...]:
    """By path, each with its hash, without what is left out. Raises BadRequest for a link or a device."""
    return tuple(described(folder, path) for path in sorted(paths_in(folder)))


def digest_of(files: Sequence[ExtensionFile]) -> str:
    """The SHA-256 of all of them: another one if a name or a byte of one is."""
    lines = [f"{file.sha256} {file.path}\n" for file in sorted(files, key=lambda file: file.path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def copy_folder(source: Path, target: Path, limits: InstallLimits) -> None:
    """A person's own folder, without what is left out. Raises BadRequest for links, unsafe names, and too much."""
    paths = sorted(paths_in(source))
    check_listing([(path, (source / path).stat().st_size) for path in paths], limits)
    for path in paths:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        # Content alone: neither rights nor times of the original.
        shutil.copyfile(source / path, place, follow_symlinks=False)


def take_along(before: Path, left: InstallRecord, after: Path, now: InstallRecord) -> None:
    """Moves what the extension or a person wrote into the folder of the version that was left to the one that is now.

    That is what neither version brings, and what was changed of what both bring alike; never code. Raises OSError.
    """
    shipped = {file.path: file.sha256 for file in left.files}
    brought = {file.path: file.sha256 for file in now.files}
    for place in sorted(before.rglob("*")):
        path = place.relative_to(before).as_posix()
        if place.is_symlink() or not place.is_file() or is_left_out(path) or path.endswith(".py"):
            continue
        if brought.get(path) == shipped.get(path) != described(before, path).sha256:
            (after / path).parent.mkdir(parents=True, exist_ok=True)
            place.replace(after / path)


def check_listing(listing: Sequence[tuple[str, int]], limits: InstallLimits) -> None:
    """Paths and sizes of what will be written, before any of it is. Raises BadRequest."""
    if len(listing) > limits.files:
        raise BadRequest(
            f"It has {len(listing):,} files; an extension can have {limits.files:,} at most.", field="source"
        )
    total = sum(size for _, size in listing)
    if total > limits.size_bytes:
        raise BadRequest(
            f"Its files take {total:,} bytes; an extension can take {limits.size_bytes:,} at most.", field="source"
        )
    if listed := unsafe_names([path for path, _ in listing]):
        raise BadRequest(f"It has unsafe file names, so none of it is installed: {listed}.", field="source")


def is_left_out(path: str) -> bool:
    return bool(LEFT_OUT & set(PurePosixPath(path).parts))


def paths_in(folder: Path, below: str = "") -> Iterator[str]:
    with os.scandir(folder / below) as entries:
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name in LEFT_OUT:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from paths_in(folder, path)
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                raise BadRequest(f"{path[:200]!a} is a link or a device; an extension holds plain files.", "source")


def described(folder: Path, path: str) -> ExtensionFile:
    with (folder / path).open("rb") as file:
        return ExtensionFile(path, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())
