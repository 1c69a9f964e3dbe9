"""Samples to train on from any source: stored, looked at, checked, read."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from modules.errors import BadRequest
from modules.services.conversation_samples import ConversationSamples
from modules.services.hub import HubService
from modules.storage.datasets import DatasetStore, StagedDataset
from modules.storage.hub_datasets import HubDatasets
from modules.training.datasets.checking import DatasetChecker
from modules.training.datasets.order import HubRows, ReadOrder
from modules.training.datasets.reader import DatasetReader, Watch
from modules.types.conversation import Conversation
from modules.types.datasets import (
    ConversationChoice,
    DatasetCheck,
    DatasetLook,
    DataSource,
    Example,
    HubDataset,
    RowProblem,
    StoredDataset,
)

SHOWN = 5
SHOWN_CONVERSATIONS = 50
NOTHING_THERE = "There is no file or folder at this path. Write its full path."
ONE_SOURCE = "Data come from exactly one of a dataset, a path, the hub and conversations."
OWN_FORM = "Conversations have one form; format and columns are for files."


@dataclass(frozen=True)
class ChosenConversations:
    """How many, the messages to learn from in them, and the first few; `folders` are all to choose from."""

    count: int
    messages: int
    first: tuple[Conversation, ...]
    folders: tuple[str, ...]


class DatasetService:
    """Any thread may call. Reading raises BadRequest, NotFound or HubError where there is nothing to read; the hub is
    asked only for a source that names it."""

    def __init__(
        self,
        store: DatasetStore,
        reader: DatasetReader,
        conversations: ConversationSamples,
        hub: HubService,
        hub_cache: Path,
    ) -> None:
        self._store = store
        self._reader = reader
        self._conversations = conversations
        self._hub = hub
        self._hub_cache = hub_cache
        self._downloaded = HubDatasets(hub_cache)

    def datasets(self) -> list[StoredDataset]:
        return self._store.all()

    def upload(self, name: str) -> StagedDataset:
        """Takes bytes until `publish`. Raises BadRequest, Conflict or StorageError."""
        return self._store.stage(name)

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def downloaded(self) -> list[HubDataset]:
        """What is here of datasets on the hub, by name."""
        return self._downloaded.all()

    def delete_downloaded(self, name: str) -> None:
        """It is downloaded again when it is used again. Raises NotFound."""
        self._downloaded.delete(name)

    def conversations(self, choice: ConversationChoice) -> ChosenConversations:
        chosen = list(self._conversations.chosen(choice))
        messages = sum(len(self._conversations.turns(one) or ()) for one in chosen)
        folders = tuple(self._conversations.folders())
        return ChosenConversations(len(chosen), messages, tuple(chosen[:SHOWN_CONVERSATIONS]), folders)

    def look(self, source: DataSource) -> DatasetLook:
        """What the first rows are taken for, and what becomes of them."""
        if source.conversations is None:
            return self._reader.look(self._order(source))
        first = list(islice(self._samples(source), SHOWN))
        return DatasetLook(
            format="messages",
            is_certain=True,
            columns=(),
            mapping={},
            first=tuple(one for one in first if isinstance(one, Example)),
            problems=tuple(one for one in first if isinstance(one, RowProblem)),
        )

    def check(self, source: DataSource, watch: Watch = lambda _rows: None) -> DatasetCheck:
        """Every row; takes as long as reading all of it does. `watch` as in `DatasetReader.check`."""
        if source.conversations is None:
            return self._reader.check(self._order(source), watch)
        checker = DatasetChecker()
        for one in self._samples(source):
            checker.take(one)
        return checker.result()

    def examples(self, source: DataSource) -> Iterator[Example]:
        """Raises BadRequest naming row and column of the first that is broken."""
        for one in self._samples(source):
            if isinstance(one, RowProblem):
                raise BadRequest(sentence(one), field="data")
            yield one

    def sound_examples(self, source: DataSource) -> Iterator[Example]:
        """Broken rows are left out."""
        return (one for one in self._samples(source) if isinstance(one, Example))

    def _samples(self, source: DataSource) -> Iterator[Example | RowProblem]:
        if source.conversations is None:
            return self._reader.samples(self._order(source))
        if source.kind is None:
            raise BadRequest(ONE_SOURCE, field="source")
        if source.format not in {"auto", "messages"} or source.columns:
            raise BadRequest(OWN_FORM, field="format")
        return islice(self._conversations.samples(source.conversations), source.first_rows or None)

    def _order(self, source: DataSource) -> ReadOrder:
        order = ReadOrder(format=source.format, columns=dict(source.columns), first_rows=source.first_rows)
        match source.kind:
            case "dataset":
                return order.model_copy(update={"place": str(self._store.find(source.dataset))})
            case "path":
                return order.model_copy(update={"place": str(existing(source.path))})
            case "hub":
                return order.model_copy(update={"hub": self._hub_rows(source)})
            case _:
                raise BadRequest(ONE_SOURCE, field="source")

    def _hub_rows(self, source: DataSource) -> HubRows:
        """Asks the hub for the commit, which says quickly and in words whether it can be reached."""
        commit = self._hub.dataset_commit(source.hub.strip(), source.hub_revision or "main")
        return HubRows(
            name=source.hub.strip(),
            config=source.hub_config,
            split=source.hub_split,
            revision=commit,
            endpoint=self._hub.endpoint,
            token=self._hub.token() or "",
            cache=str(self._hub_cache),
        )


def existing(path: str) -> Path:
    """Raises BadRequest, in the same words whether nothing is there or nothing that may be read."""
    try:
        place = Path(path.strip()).expanduser()
        if "\0" not in path and place.is_absolute() and (place.is_file() or place.is_dir()):
            return place
    except (OSError, RuntimeError, ValueError) as error:
        raise BadRequest(NOTHING_THERE, field="path") from error
    raise BadRequest(NOTHING_THERE, field="path")


def sentence(problem: RowProblem) -> str:
    """Where it is and what is wrong."""
    places = [f"{problem.file}" if problem.file else "", f"row {problem.row}" if problem.row else "", problem.place]
    return f"{', '.join(place for place in places if place)}: {problem.message}"
