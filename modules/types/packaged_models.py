"""Models that lie inside packages, so that the package client, with its mirrors and proxies, can fetch them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PackagedFile:
    """`member` ends its path within the package, `path` is where it will lie in the models folder."""

    member: str
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class PackagedModel:
    """`name` is the one file or folder of the models folder that it becomes. `texts` are small files, by their paths,
    that are written beside those of the package. `requirement` pins the package's version."""

    name: str
    title: str
    requirement: str
    files: tuple[PackagedFile, ...]
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)
