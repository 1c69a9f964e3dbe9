"""From what a person asks for to the files that are fetched, and the name the model will have."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from modules.errors import BadRequest, NotFound, SeveralChoices
from modules.library.hub.choices import ADAPTER, choices_of
from modules.library.hub.names import check_names
from modules.library.hub.sources import Source
from modules.paths import ADAPTERS
from modules.storage.files import is_allowed
from modules.types.downloads import DownloadPlan, PlannedFile
from modules.types.hub import HubChoice, HubFile


@dataclass(frozen=True)
class Wish:
    """`source` as it was written. `choice` is a quantization or format by its name, `pattern` matches file names."""

    source: str
    choice: str = ""
    pattern: str = ""
    projector: bool = False


def plan_download(wish: Wish, source: Source, commit: str, files: Sequence[HubFile]) -> DownloadPlan:
    """Raises BadRequest, NotFound or SeveralChoices that say what there is."""
    check_names(files)
    choice = chosen(choices_of(files), wish, source)
    if choice.problem:
        raise BadRequest(f"{choice.name} cannot be downloaded: {choice.problem}", field="choice")
    fetched = list(choice.files)
    if wish.projector:
        if choice.projector is None:
            raise BadRequest(f"{source.repository} has no projector for images.", field="projector")
        fetched.append(choice.projector)
    is_file = choice.format == "gguf" and len(fetched) == 1
    target = target_of(source.repository, choice, is_file)
    return DownloadPlan(
        id=id_of(source.repository, commit, target, fetched),
        source=wish.source.strip(),
        repository=source.repository,
        commit=commit,
        choice=choice.name,
        files=tuple(PlannedFile(file, place_of(file, choice)) for file in fetched),
        target=target,
        is_file=is_file,
        created=time.time(),
    )


def chosen(choices: Sequence[HubChoice], wish: Wish, source: Source) -> HubChoice:
    """The one that is meant."""
    if not choices:
        raise BadRequest(
            f"{source.repository} holds no model that can be run: supported are GGUF files, and safetensors with a "
            "config.json. Pickled weights are never downloaded, as they can hold programs.",
            field="source",
        )
    field, left = "source", list(choices)
    if source.path:
        left = [choice for choice in left if source.path in {file.path for file in choice.files}]
    if wish.choice:
        field, left = "choice", [choice for choice in left if choice.name.casefold() == wish.choice.casefold()]
    if wish.pattern:
        field, left = "pattern", [choice for choice in left if any(fits(file, wish.pattern) for file in choice.files)]
    if len(left) == 1:
        return left[0]
    listed = tuple((choice.name, choice.size_bytes) for choice in left or choices)
    there = ", ".join(f"{name} ({size / 10**9:.2f} GB)" for name, size in listed)
    if not left:
        raise NotFound(f"{source.repository} has nothing that fits. There are: {there}.", field=field)
    raise SeveralChoices(f"{source.repository} holds several models. Choose one: {there}.", "choice", listed)


def fits(file: HubFile, pattern: str) -> bool:
    """By its whole path or its last part, whatever the case of letters."""
    path = file.path.lower()
    return any(fnmatchcase(name, pattern.lower()) for name in (path, path.rpartition("/")[2]))


def target_of(repository: str, choice: HubChoice, is_file: bool) -> str:
    """Below the models' folder. A set of GGUF files, or a model in safetensors, becomes a folder."""
    name = repository.partition("/")[2]
    if is_file:
        return as_name(PurePosixPath(choice.files[0].path).stem) + ".gguf"
    if choice.name == ADAPTER:
        return f"{ADAPTERS}/{as_name(name)}"
    form = choice.quantization or choice.name
    return as_name(f"{name}-{form}" if choice.format == "gguf" and form not in name else name)


def as_name(text: str) -> str:
    """With what is not allowed in names replaced."""
    return "".join(character if is_allowed(character) else "-" for character in text).strip(".- ")


def place_of(file: HubFile, choice: HubChoice) -> str:
    """GGUF sets lie together; folders of the other format mean something."""
    return PurePosixPath(file.path).name if choice.format == "gguf" else file.path


def id_of(repository: str, commit: str, target: str, files: Sequence[HubFile]) -> str:
    """The same for the same files: who asks again takes up what is there."""
    said = "\0".join([repository, commit, target, *(file.path for file in files)])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
