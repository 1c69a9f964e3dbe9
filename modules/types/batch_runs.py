"""Runs of a prompt template over many inputs."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

RunState = Literal["running", "done", "stopped", "failed"]
TableFormat = Literal["csv", "jsonl"]


@dataclass(frozen=True)
class Table:
    """Every row has a text for every column. `source` is the name of the file or folder it was read from."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    source: str
    format: TableFormat = "csv"


class RunRecord(BaseModel):
    """What a run was begun with, kept in its folder; the template's text too, so that later changes leave it alone.

    `columns` maps variables to columns, `values` are the variables that are the same for every row.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    created: float
    template: str
    template_text: str
    model: str
    source: str
    input_columns: list[str]
    rows: int
    columns: dict[str, str]
    values: dict[str, str]
    format: TableFormat
    error: str = ""


class RowResult(BaseModel):
    """What came of a row. `key` tells its input apart from any other; `fields` are label probabilities.

    An error `is_final` where the row itself cannot be asked, so that trying again would not help.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    row: int
    key: str
    output: str = ""
    finish_reason: str = ""
    error: str = ""
    is_final: bool = False
    tokens: int = 0
    fields: dict[str, Any] = {}


@dataclass(frozen=True)
class BatchRun:
    """A run as it stands. `done` counts rows that have a result, `failed` those of them with an error, `retriable`
    those of them that may yet succeed; `failure` is one with an error.

    Speed and time left are of a run at work, None while unknown.
    """

    record: RunRecord
    state: RunState
    done: int
    failed: int
    retriable: int = 0
    failure: RowResult | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
