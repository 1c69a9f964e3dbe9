"""Folders of extensions as people have them, and a registry that runs them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from modules.errors import EngineError
from modules.extensions.contracts import DocumentReader, RequestContext
from modules.extensions.folders import BUILTIN
from modules.extensions.manifest import Manifest
from modules.extensions.registry import Extensions
from modules.paths import PROJECT, Paths
from modules.storage.database import Database
from modules.storage.extension_states import ExtensionStates
from modules.types.generation import Constraint
from modules.types.messages import Message

Answer = Callable[[Sequence[Message]], str]


def unanswered(_messages: Sequence[Message]) -> str:
    raise EngineError("No model is loaded.")


@dataclass
class Host:
    """What the program does for an extension, without a program; `answer` is the model."""

    data: Path
    answer: Answer = unanswered
    fetcher: Callable[[str], tuple[bytes, str]] | None = None
    settings: Any = None
    lines: list[str] = field(default_factory=list[str])
    asked: list[Sequence[Message]] = field(default_factory=list[Sequence[Message]])

    def reply(self, messages: Sequence[Message], *, max_tokens: int = 512, constraint: Constraint | None = None) -> str:
        self.asked.append(messages)
        return self.answer(messages)

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise EngineError("There is no embedding model.")

    def readers(self) -> Sequence[DocumentReader]:
        return ()

    def fetch(self, url: str, *, max_bytes: int = 5_000_000) -> tuple[bytes, str]:
        assert self.fetcher is not None
        return self.fetcher(url)

    def start_job(self, title: str, work: Callable[..., None]) -> str:
        return ""

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
        settings = extensions.settings(manifest.name)
        return hosts.setdefault(manifest.name, Host(data, answer, settings=settings))

    extensions.start(host_for)
    try:
        yield Bench(extensions, paths.own_extensions, hosts)
    finally:
        extensions.close()
