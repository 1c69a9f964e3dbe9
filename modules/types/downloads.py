"""A download: files of one repository on their way into the models' folder."""

from dataclasses import dataclass
from typing import Literal

DownloadState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Download:
    """`source` is what was asked for, `target` the name the model will have in the library.

    Sizes in bytes; speed and `seconds_left` are 0 while unknown. `error` says why it failed and what to do.
    Times are Unix seconds.
    """

    id: str
    source: str
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
