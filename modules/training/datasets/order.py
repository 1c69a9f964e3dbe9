"""What the reading child is asked for: which rows, and what of them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from modules.limits import LIMITS
from modules.types.datasets import ColumnRole, DatasetFormat


class HubRows(BaseModel):
    """A dataset on the hub. `revision` is a commit, so that no other host is asked for a converted copy; `cache` is a
    folder; an empty token asks as nobody."""

    model_config = ConfigDict(frozen=True)

    name: str
    config: str
    split: str
    revision: str
    endpoint: str
    token: str
    cache: str


class ReadOrder(BaseModel):
    """`place` is a file or folder, unless the rows are on the hub."""

    model_config = ConfigDict(frozen=True)

    wanted: Literal["look", "check", "samples"] = "look"
    place: str = ""
    hub: HubRows | None = None
    format: Literal["auto"] | DatasetFormat = "auto"
    columns: Mapping[ColumnRole, str] = {}
    first_rows: int = 0
    memory_bytes: int = LIMITS.dataset_memory_bytes
