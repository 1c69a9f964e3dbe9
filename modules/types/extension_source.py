"""Where a worker finds an extension's code."""

from pathlib import Path

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class ExtensionSource:
    """`revision` differs each time the extension is enabled, for its code may have changed by then."""

    extension: str
    folder: Path
    entry: str
    revision: float
