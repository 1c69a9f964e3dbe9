"""A job: long work with progress, cancel and a record that survives a restart."""

from dataclasses import dataclass
from typing import Literal

JobState = Literal["running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class Job:
    """`progress` is 0..1, or None while unknown; times are Unix seconds."""

    id: str
    name: str
    state: JobState
    progress: float | None
    note: str
    created: float
    ended: float | None = None
    error: str = ""
