"""What is installed of extensions: from where, which files, and how much one may bring."""

from dataclasses import dataclass
from typing import Literal

SourceKind = Literal["git", "folder", "zip", "package"]


@dataclass(frozen=True)
class ExtensionSource:
    """Where an extension comes from. `revision` is a commit, branch or tag of a git address, or a package's version;
    empty for the newest."""

    kind: SourceKind
    address: str
    revision: str = ""

    def __str__(self) -> str:
        separator = "==" if self.kind == "package" else "#"
        return f"{self.address}{separator}{self.revision}" if self.revision else self.address


@dataclass(frozen=True)
class ExtensionFile:
    """`path` is relative, with slashes."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ExtensionPackage:
    """A wheel that an extension needs beside what the program has; `file` is its name."""

    name: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class InstallRecord:
    """One installed version. `exact` is the commit, or the SHA-256 of what was read; `installed` is Unix seconds."""

    name: str
    version: str
    source: ExtensionSource
    exact: str
    installed: float
    files: tuple[ExtensionFile, ...]
    packages: tuple[ExtensionPackage, ...] = ()


@dataclass(frozen=True)
class InstallLimits:
    """Of one extension, its packages apart; times in seconds, sizes in bytes, `plans` waiting for a yes at once."""

    files: int = 5000
    size_bytes: int = 200 * 1024 * 1024
    fetch_seconds: float = 300.0
    packages_bytes: int = 8 * 1024 * 1024 * 1024
    packages_seconds: float = 3600.0
    plans: int = 8
