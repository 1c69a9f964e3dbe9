"""A download: files of one repository on their way into the models' folder."""

from dataclasses import dataclass
from typing import Literal

from pydantic.dataclasses import dataclass as checked_dataclass

from modules.types.hub import HubFile

DownloadState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]


@checked_dataclass(frozen=True)
class PlannedFile:
    """`place` is where it will lie in the model's folder, or the file's own name when it is a model by itself."""

    file: HubFile
    place: str


@checked_dataclass(frozen=True)
class DownloadPlan:
    """What is fetched, fixed when the download begins: the commit cannot change, so neither can the files.

    `target` is where it will lie below the models' folder, a folder unless `is_file`.
    """

    id: str
    source: str
    repository: str
    commit: str
    choice: str
    files: tuple[PlannedFile, ...]
    target: str
    is_file: bool
    created: float

    @property
    def size_bytes(self) -> int:
        return sum(planned.file.size_bytes for planned in self.files)


@checked_dataclass(frozen=True)
class DownloadRecord:
    """A plan and how far it came, as it is kept on the disk."""

    plan: DownloadPlan
    state: DownloadState = "queued"
    ended: float | None = None
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Download:
    """`source` is what was asked for, `target` where the model will lie below the models' folder.

    Sizes in bytes; speed and `seconds_left` are 0 while unknown. `error` says why it failed and what to do.
    Times are Unix seconds.
    """

    id: str
    source: str
    repository: str
    choice: str
    target: str
    state: DownloadState
    size_bytes: int
    done_bytes: int
    files: int
    files_done: int
    created: float
    bytes_per_second: float = 0.0
    seconds_left: float = 0.0
    ended: float | None = None
    note: str = ""
    error: str = ""
