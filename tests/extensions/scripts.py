"""Folders of extensions as people have them, and a registry that runs them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from modules.errors import EngineError
from modules.extensions.contracts import RequestContext
from modules.extensions.folders import BUILTIN
from modules.extensions.manifest import Manifest
from modules.extensions.registry import Extensions
from modules.extensions.testing import TrialHost
from modules.paths import PROJECT, Paths
from modules.storage.database import Database
from modules.storage.extension_states import ExtensionStates
from modules.types.generation import Constraint
from modules.types.messages import Message

Answer = Callable[[Sequence[Message]], str]


def unanswered(_messages: Sequence[Message]) -> str:
    raise EngineError("No model is loaded.")


class Host(TrialHost):
    """`answer` is the model, `fetcher` the network; `lines` is what was logged."""

    def __init__(self, name: str, data: Path, extensions: Extensions, answer: Answer) -> None:
        super().__init__(name, data, extensions, ())
        self.fetcher: Callable[[str], tuple[bytes, str]] | None = None
        self.lines: list[str] = []
        self._answer = answer

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        self.asked.append(tuple(messages))
        return self._answer(messages)

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        return self.fetcher(url) if self.fetcher else super().fetch(url)

    def log(self, text: str) -> None:
        self.lines.append(text)


def write_script(place: Path, name: str, source: str, **others: str) -> Path:
    """A folder with `script.py`, and other files by their names without .py."""
    folder = place / name
    folder.mkdir(parents=True)
    for file, text in {"script": source, **others}.items():
        (folder / f"{file}.py").write_text(dedent(text), encoding="utf-8")
    return folder


@dataclass
class Bench:
    """A registry over the bundled extensions and an own folder; `hosts` by extension."""

    extensions: Extensions
    own: Path
    hosts: dict[str, Host]

    def enable(self, name: str, source: str = "", **others: str) -> None:
        if source:
            write_script(self.own, name.replace("-", "_"), source, **others)
        self.extensions.enable(name)

    def given(self, hook: str, context: RequestContext | None = None) -> list[Any]:
        """By extensions, without what the program itself brings."""
        return [given.item for given in self.extensions.collect(hook, context) if given.extension != BUILTIN]


@contextmanager
def bench(place: Path, answer: Answer = unanswered) -> Iterator[Bench]:
    paths = Paths(place / "data", place / "models", PROJECT / "extensions")
    paths.own_extensions.mkdir(parents=True)
    hosts: dict[str, Host] = {}
    extensions = Extensions(paths, ExtensionStates(Database.open(paths.database)))

    def host_for(manifest: Manifest) -> Host:
        data = paths.data / "extension-data" / manifest.name
        data.mkdir(parents=True, exist_ok=True)
        return hosts.setdefault(manifest.name, Host(manifest.name, data, extensions, answer))

    extensions.start(host_for)
    try:
        yield Bench(extensions, paths.own_extensions, hosts)
    finally:
        extensions.close()
