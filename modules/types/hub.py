"""What a model hub says of its models. All texts are strangers' words: never shown unless escaped or sanitised."""

from dataclasses import dataclass
from typing import Literal

from modules.types.local_model import ModelShape

HubFormat = Literal["gguf", "safetensors"]
Sorting = Literal["downloads", "likes", "recent", "trending"]
Gate = Literal["open", "automatic", "manual"]
UNKNOWN = ModelShape()


@dataclass(frozen=True)
class HubQuery:
    """An empty or None field does not narrow the search. Parameters are counts; `cursor` is a page's `next`."""

    words: str = ""
    task: str = ""
    format: HubFormat | None = None
    licence: str = ""
    least_parameters: int = 0
    most_parameters: int = 0
    sorting: Sorting = "downloads"
    cursor: str = ""


@dataclass(frozen=True)
class HubEntry:
    """A model in a list of results. `updated` is Unix seconds, `parameters` 0 when the hub does not say."""

    repository: str
    task: str = ""
    licence: str = ""
    formats: tuple[HubFormat, ...] = ()
    parameters: int = 0
    downloads: int = 0
    likes: int = 0
    updated: float = 0.0
    gate: Gate = "open"
    private: bool = False


@dataclass(frozen=True)
class HubResults:
    """`next` is the cursor of the next page, empty after the last."""

    entries: tuple[HubEntry, ...]
    next: str = ""


@dataclass(frozen=True)
class HubFile:
    """`path` is inside the repository, with `/`; `sha256` is known of large files only, `blob_id` is git's name."""

    path: str
    size_bytes: int
    sha256: str = ""
    blob_id: str = ""


@dataclass(frozen=True)
class HubChoice:
    """What one click downloads: a quantization with all its shards, a whole model in safetensors, or an adapter.

    `name` is one of a kind in its repository: the quantization (`Q4_K_M`), with the model's own name where there are
    several, or `safetensors`, or `adapter`. `files` are all that is needed to run it, `projector` what reads images
    besides. `shape` is as far as the hub or the file's header says. `problem` says why it cannot be used; else empty.
    """

    name: str
    format: HubFormat
    files: tuple[HubFile, ...]
    projector: HubFile | None = None
    shape: ModelShape = UNKNOWN
    quantization: str = ""
    problem: str = ""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class HubModel:
    """A model's own page. `commit` is what its branch stood for when it was asked; `card` is Markdown."""

    entry: HubEntry
    revision: str
    commit: str
    card: str
    files: tuple[HubFile, ...]
    choices: tuple[HubChoice, ...]
    has_access: bool = True
