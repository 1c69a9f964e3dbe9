"""Samples to train on: where they come from, how they are read, what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DatasetFormat = Literal["messages", "sharegpt", "alpaca", "completion", "text"]
SourceKind = Literal["dataset", "path", "hub", "conversations"]
ColumnRole = Literal["messages", "instruction", "input", "output", "system", "prompt", "completion", "text"]
# Of the files that hold samples.
DATASET_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".md")
Words = Annotated[str, StringConstraints(max_length=4096)]


class ConversationChoice(BaseModel):
    """Which of the person's own conversations: those that match all that is said, or the listed ones alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: tuple[Words, ...] = Field(default=(), max_length=10_000)
    search: Words = ""
    folder: Words = Field(default="", description="Those in it, and in folders in it; empty: all.")
    updated_from: float | None = Field(default=None, description="Unix seconds.")
    updated_until: float | None = Field(default=None, description="Unix seconds.")


class DataSource(BaseModel):
    """Exactly one of `dataset`, `path`, `hub` and `conversations` says where rows come from.

    `dataset` is a file or folder in data/datasets; `path` a file or folder on this machine; `hub` a dataset's name on
    the hub. `format` and `columns` correct what is recognised by looking; a column is named by the role it plays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Words = ""
    path: Words = ""
    hub: Words = ""
    hub_config: Words = ""
    hub_split: Words = "train"
    hub_revision: Words = ""
    conversations: ConversationChoice | None = None
    format: Literal["auto", "messages", "sharegpt", "alpaca", "completion", "text"] = "auto"
    columns: Mapping[ColumnRole, Words] = Field(default_factory=dict[ColumnRole, str])
    first_rows: int = Field(0, ge=0, le=10_000_000, description="Only so many rows from the beginning; 0: all.")

    @property
    def kind(self) -> SourceKind | None:
        """None unless exactly one is said."""
        kinds: list[SourceKind] = []
        if self.dataset:
            kinds.append("dataset")
        if self.path:
            kinds.append("path")
        if self.hub:
            kinds.append("hub")
        if self.conversations is not None:
            kinds.append("conversations")
        return kinds[0] if len(kinds) == 1 else None


@dataclass(frozen=True)
class Turn:
    """A message of a sample; `is_trained` is False where the dataset says that it is not to be learned."""

    role: Literal["system", "user", "assistant"]
    content: str
    is_trained: bool = True


@dataclass(frozen=True)
class Example:
    """One sample: `turns`, or a `prompt` with its `completion`, or plain `text`. `row` counts from 1 in `file`."""

    turns: tuple[Turn, ...] = ()
    prompt: str = ""
    completion: str = ""
    text: str = ""
    row: int = 0
    file: str = ""


@dataclass(frozen=True)
class HubDataset:
    """What was downloaded of a dataset on the hub; `modified` in Unix seconds."""

    name: str
    size_bytes: int
    modified: float


@dataclass(frozen=True)
class RowProblem:
    """Why a row cannot be used. `place` says where in it, in words: "column answer", "message 2, role".

    It is empty where the whole row is wrong; `row` is 0 where the whole file is.
    """

    row: int
    place: str
    message: str
    file: str = ""


@dataclass(frozen=True)
class Column:
    """A column as a person sees it before anything is decided. `sample` is its first value, shortened."""

    name: str
    sample: str


@dataclass(frozen=True)
class DatasetLook:
    """What looking at the first rows says. `is_certain` is False where another format would fit as well."""

    format: DatasetFormat
    is_certain: bool
    columns: tuple[Column, ...]
    mapping: Mapping[ColumnRole, str]
    first: tuple[Example, ...]
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True)
class Duplicate:
    """The sample in `row` is the one in row `of` once more."""

    row: int
    of: int
    file: str = ""
    of_file: str = ""


@dataclass(frozen=True)
class DatasetCheck:
    """Every row looked at.

    Lists hold the first few; counts are whole. `fingerprint` is the SHA-256 of the samples, in their order.
    """

    rows: int
    examples: int
    problem_count: int
    problems: tuple[RowProblem, ...]
    duplicate_count: int
    duplicates: tuple[Duplicate, ...]
    fingerprint: str = ""


@dataclass(frozen=True)
class StoredDataset:
    """A file or folder in data/datasets; `modified` in Unix seconds."""

    name: str
    size_bytes: int
    modified: float
    files: int = 1
