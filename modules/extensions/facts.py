"""What is known of an extension, and what it gave."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from modules.extensions.manifest import Manifest

# One that is loading was enabled when the program ended, and is not ready yet. A failed one is wanted, but could not be
# loaded, or was switched off after it left too many calls behind.
State = Literal["disabled", "loading", "enabled", "failed"]


@dataclass(frozen=True)
class Extension:
    """A folder found. `fault` is a sentence: why it cannot be enabled, or why it is off though it was enabled.
    `note` continues "It runs ...": where, and what that costs, when that is not in this process."""

    name: str
    folder: Path
    is_bundled: bool
    manifest: Manifest | None = None
    fault: str = ""
    state: State = "disabled"
    hooks: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Given:
    """Something that a hook of this extension returned."""

    extension: str
    item: Any


@dataclass(frozen=True)
class Fault:
    """One failure of an extension. `time` is Unix time."""

    hook: str
    sentence: str
    time: float
