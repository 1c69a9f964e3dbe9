"""Documents of the notebook: a tree of versions, each of which is a splice of its parent."""

from dataclasses import dataclass, field
from typing import Any, Literal

from modules.types.conversation import MessageState
from modules.types.generation import TokenLogprob

VersionKind = Literal["created", "typed", "generated"]
TYPED = 0


@dataclass(frozen=True)
class Document:
    """`head` is the version that is shown; `revision` grows with every change. `folder` is a path of names, or empty.

    `memory` stands before the text a model reads, `note` that many lines from its end. Times are Unix seconds.
    """

    id: str
    title: str
    folder: str
    revision: int
    created: float
    updated: float
    head: int
    memory: str = ""
    note: str = ""
    note_depth: int = 3


@dataclass(frozen=True)
class Splice:
    """Makes text[:start] + inserted + text[start + removed:] of a text. Positions count characters."""

    start: int
    removed: int
    inserted: str

    @property
    def end(self) -> int:
        return self.start + self.removed


@dataclass(frozen=True)
class Origin:
    """A stretch of text that a version generated, from its character `start` on; TYPED is what people wrote."""

    version: int
    start: int
    length: int


@dataclass(frozen=True)
class TracedText:
    """A text, and where it comes from, piece by piece."""

    text: str
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Draft:
    """Where versions are to be generated: below `parent`, with what the splice inserts to begin with.

    `kept` are the origins of the beginning of that, which stands elsewhere already.
    """

    parent: int
    splice: Splice
    kept: tuple[Origin, ...] = ()

    @property
    def kept_text(self) -> str:
        return self.splice.inserted[: sum(origin.length for origin in self.kept)]


@dataclass(frozen=True)
class Version:
    """A node of the tree; `parent` is None for the first. `length` is the whole text's, `preview` the beginning of what
    it inserted, and `on_path` says that it leads to the head."""

    id: int
    document_id: str
    parent: int | None
    kind: VersionKind
    start: int
    removed: int
    inserted_chars: int
    preview: str
    length: int
    created: float
    state: MessageState = "complete"
    model: str = ""
    error: str = ""
    stats: dict[str, Any] = field(default_factory=dict[str, Any])
    on_path: bool = False


@dataclass(frozen=True)
class Branch:
    """A version that none follows, and the one in which it parts from the path to the head."""

    leaf: Version
    fork: int


@dataclass(frozen=True)
class WrittenToken:
    """A generated token and the characters it became, counted from the beginning of what its version inserted.

    `length` is 0 where the character it begins was completed by a later token.
    """

    start: int
    length: int
    token: TokenLogprob


@dataclass(frozen=True)
class TokenRun:
    """Tokens number `first`, `first` + 1, ... of a version, side by side from character `start` of a text on.

    `lengths` are in characters, `probabilities` 0..1.
    """

    version: int
    first: int
    start: int
    lengths: tuple[int, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class DocumentHit:
    """A document that contains the words, with a snippet whose matches stand between \\x02 and \\x03."""

    document: Document
    snippet: str
