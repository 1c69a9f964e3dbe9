"""The gallery: a JSON file of extensions that others have published. Reading it fetches and runs none of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modules.errors import BadRequest, FetchError
from modules.extensions.manifest import Line, Name
from modules.outbound.fetcher import Fetcher, FetchLimits
from modules.services.extension_sources import source_of
from modules.types.faults import fault_of

GALLERY_BYTES = 2 * 1024 * 1024
MOST_ENTRIES = 2000
WEB = ("https://", "http://")
LOCAL = ("/", "~", "file:")
LIMITS = FetchLimits(total_seconds=20.0, body_bytes=GALLERY_BYTES, decoded_bytes=GALLERY_BYTES, redirects=3)


class GalleryEntry(BaseModel):
    """`commit` belongs to a git source and pins it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(max_length=1000)] = ""
    author: Line = ""
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""

    @property
    def pinned_source(self) -> str:
        """What is given to the install page."""
        return f"{self.source}#{self.commit}" if self.commit else self.source


@dataclass(frozen=True)
class Gallery:
    """`problems` are sentences about entries that were passed over, and about a gallery that cannot be read."""

    entries: tuple[GalleryEntry, ...]
    problems: tuple[str, ...] = ()


class GalleryService:
    """Any thread. The gallery is read each time it is asked for, and at no other time."""

    def __init__(self, address: str, shipped: Path) -> None:
        """`address` is a web address or a file; empty for the file that ships."""
        self._address = address.strip()
        self._shipped = shipped

    def search(self, words: str = "") -> Gallery:
        """Those with all the words in name, title, description or author. Asks the configured address, if there is one.

        A gallery that cannot be read is an empty one with a problem.
        """
        try:
            gallery = gallery_of(self._content(), is_own_file=not self._is_web)
        except (FetchError, BadRequest) as error:
            return Gallery((), (str(error),))
        wanted = words.casefold().split()
        entries = tuple(entry for entry in gallery.entries if all(word in searched(entry) for word in wanted))
        return Gallery(entries, gallery.problems)

    @property
    def _is_web(self) -> bool:
        return self._address.lower().startswith(WEB)

    def _content(self) -> bytes:
        if self._is_web:
            # The owner named it, so it may also be in a private network.
            answer = Fetcher(LIMITS, allowed=(self._address,)).fetch("GET", self._address)
            if answer.status != 200:
                raise FetchError(f"The gallery answered with status {answer.status}.")
            return answer.body
        path = Path(self._address).expanduser() if self._address else self._shipped
        try:
            with path.open("rb") as file:
                return file.read(GALLERY_BYTES + 1)
        except OSError as error:
            raise BadRequest(f"The gallery {path.name} cannot be read: {error.strerror}.") from error


def gallery_of(content: bytes, *, is_own_file: bool) -> Gallery:
    """Raises BadRequest for what is no gallery at all. Only a file of the person's own may name folders and files."""
    if len(content) > GALLERY_BYTES:
        raise BadRequest(f"The gallery is larger than {GALLERY_BYTES // 1024 // 1024} MiB.")
    try:
        found: Any = json.loads(content.decode("utf-8"))
        listed = cast(list[Any], found["extensions"])
        if not isinstance(found, dict) or not isinstance(listed, list):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest('The gallery is no JSON of the form {"extensions": [...]}.') from error
    entries: dict[str, GalleryEntry] = {}
    problems: list[str] = []
    for number, values in enumerate(listed[:MOST_ENTRIES], start=1):
        try:
            entry = entry_of(values, may_be_local=is_own_file)
            if entry.name in entries:
                raise BadRequest(f"there is a {entry.name} above already")
            entries[entry.name] = entry
        except BadRequest as error:
            problems.append(f"Entry {number} of the gallery was passed over: {error}".rstrip(".") + ".")
    if len(listed) > MOST_ENTRIES:
        problems.append(f"The gallery has {len(listed):,} entries; the first {MOST_ENTRIES:,} are shown.")
    return Gallery(tuple(entries.values()), tuple(problems))


def entry_of(values: Any, *, may_be_local: bool) -> GalleryEntry:
    """Raises BadRequest."""
    try:
        entry = GalleryEntry.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(f"{'.'.join(str(part) for part in first['loc']) or 'it'} {fault_of(first)}") from error
    if entry.source.startswith(LOCAL) and not may_be_local:
        raise BadRequest("its source is a file or folder of one machine")
    if source_of(entry.source).kind != "git" and entry.commit:
        raise BadRequest("it has a commit, but its source is no git address")
    return entry


def searched(entry: GalleryEntry) -> str:
    return " ".join((entry.name, entry.title, entry.description, entry.author)).casefold()
