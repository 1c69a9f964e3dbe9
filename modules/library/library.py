"""Every model the program can name: in its own folder, in others, linked ones, and the echo engine."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.errors import NotFound
from modules.library.describe import Description, describe
from modules.library.scan import Candidate, Stamp, candidate_at, scan
from modules.library.starter import STARTER
from modules.storage.database import cleaned
from modules.storage.linked_models import LinkedModel
from modules.types.local_model import LocalModel

ECHO_MODEL = LocalModel("echo", "Echo (repeats what you say)", "echo")
RESERVED = (ECHO_MODEL.id, STARTER.id)
NAMES_TOLD = 50
GONE = "Its files are not where they were any more. Put them back, or remove it from the list."

Links = Callable[[], Sequence[LinkedModel]]

# Before the name of a linked model whose own name another model has.
LINKED = "linked/"


@dataclass(frozen=True)
class Listing:
    """A candidate with the names it may go by, best first."""

    candidate: Candidate
    names: tuple[str, ...]
    folder: str = ""
    is_linked: bool = False


class Library:
    """Reads headers only, and each file's once as long as it does not change. Any thread may call.

    A model goes by its place in `models/`, without `.gguf`. Where two would go by the same name, `models/` comes first,
    then the other folders in their order, then links; the later one is told apart by its suffix or its folder's name.
    """

    def __init__(self, folder: Path, others: Sequence[Path] = (), links: Links = tuple) -> None:
        self._folder = folder
        self._others = tuple(zip(folder_names(others), others, strict=True))
        self._links = links
        self._lock = threading.Lock()
        self._described: dict[Path, tuple[Stamp, Description]] = {}

    def models(self) -> list[LocalModel]:
        """By name; damaged files too, with their problem; the echo engine last."""
        with self._lock:
            found = list(self._named(list(self._listings())))
        return [*sorted(found, key=lambda model: model.id.casefold()), ECHO_MODEL]

    def find(self, name: str) -> LocalModel:
        """The model of exactly this id; never a path. Raises NotFound with the names there are."""
        models = self.models()
        for model in models:
            if model.id == name:
                return model
        raise unknown_model(name, models)

    def _listings(self) -> Iterator[Listing]:
        """In the order in which they are given names."""
        own = sorted(scan(self._folder, is_own=True), key=order)
        yield from (Listing(one, (STARTER.id,)) for one in own if is_starter(one))
        yield from (Listing(one, (one.name, one.name + SUFFIXES[one.format])) for one in own if not is_starter(one))
        for title, folder in self._others:
            for one in sorted(scan(folder), key=order):
                name = f"{title}/{one.name}"
                yield Listing(one, (one.name, name, name + SUFFIXES[one.format]), folder=title)
        for link in self._links():
            candidate = candidate_at(link.path) or Candidate(link.path.name, "gguf", link.path, ())
            yield Listing(candidate, (link.name, LINKED + link.name), is_linked=True)

    def _named(self, listings: Sequence[Listing]) -> Iterator[LocalModel]:
        taken = {ECHO_MODEL.id}
        kept: dict[Path, tuple[Stamp, Description]] = {}
        for listing in listings:
            candidate = listing.candidate
            _, described = kept[candidate.path] = self._describe(candidate)
            names = map(cleaned, listing.names)
            name = next((name for name in names if name not in taken and is_free(name, candidate)), None)
            if described.is_model and name is not None:
                taken.add(name)
                yield local_model(name, listing, described)
        self._described = kept

    def _describe(self, candidate: Candidate) -> tuple[Stamp, Description]:
        known = self._described.get(candidate.path)
        if known is not None and known[0] == candidate.stamp:
            return known
        if not candidate.files:
            return (), Description(0, problem=GONE)
        return candidate.stamp, describe(candidate)


SUFFIXES = {"gguf": ".gguf", "safetensors": "-folder"}


def unknown_model(name: str, models: Sequence[LocalModel]) -> NotFound:
    """What is said of a name that no model has; of very many, the first are named."""
    names = [model.id for model in models if not model.problem]
    there = ", ".join(names[:NAMES_TOLD])
    more = f" and {len(names) - NAMES_TOLD:,} more" if len(names) > NAMES_TOLD else ""
    return NotFound(
        f"There is no model called {name[:200]!r}. There are: {there}{more}.", field="model", code="model_not_found"
    )


def order(candidate: Candidate) -> tuple[str, str]:
    """Folders come before files of the same name."""
    return candidate.name, SUFFIXES[candidate.format]


def is_starter(candidate: Candidate) -> bool:
    return candidate.name + ".gguf" == STARTER.file_name


def is_free(name: str, candidate: Candidate) -> bool:
    return name not in RESERVED or is_starter(candidate)


def folder_names(folders: Sequence[Path]) -> list[str]:
    """Of each its own name; a number tells those of the same name apart."""
    names: list[str] = []
    for folder in folders:
        same = sum(other.name == folder.name for other in folders[: len(names)])
        names.append(f"{folder.name}-{same + 1}" if same else folder.name)
    return names


def local_model(name: str, listing: Listing, described: Description) -> LocalModel:
    candidate = listing.candidate
    starter = name == STARTER.id
    return LocalModel(
        id=name,
        title=STARTER.title if starter else printable(name),
        format=candidate.format,
        path=candidate.path,
        size_bytes=described.size_bytes,
        created=max((file.changed for file in candidate.files), default=0) / 1e9,
        shape=described.shape,
        problem=described.problem,
        quantization=described.quantization,
        licence=described.licence,
        has_chat_template=described.has_chat_template,
        files=described.weights or tuple(file.path for file in candidate.files),
        projector=candidate.projector,
        folder=listing.folder,
        is_linked=listing.is_linked,
    )


def printable(name: str) -> str:
    """Control characters in a file's name must not reach a terminal or a log."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
