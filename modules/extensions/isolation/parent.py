"""An isolated extension as the program sees it: a module with the same hooks, each of which asks its process."""

import functools
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from modules.children import Launcher
from modules.extension_packages import package_name
from modules.extensions.contracts import (
    DocumentReader,
    ExtensionHost,
    Part,
    Passage,
    RequestContext,
    ToolContext,
    ViewEvent,
    Work,
)
from modules.extensions.guard import Unfit
from modules.extensions.hooks import Hooks, hook
from modules.extensions.isolation.crossing import GIVERS, Fetched, ToolUse, facts_of, item_of, key_of, parts_of
from modules.extensions.isolation.process import IsolatedProcess
from modules.extensions.isolation.settings import settings_stand_in
from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel

# A tool's own time, and then some before its process must end.
TOOL_GRACE_SECONDS = 5.0
# As good as never: jobs take as long as they take, and can be cancelled.
WORK_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Isolated:
    """`module` has the extension's hooks. `close` ends the process."""

    module: ModuleType
    process: IsolatedProcess

    @property
    def note(self) -> str:
        """What a call costs, and how often the process has ended."""
        return self.process.note

    def close(self) -> None:
        self.process.close()


def start_isolated(launcher: Launcher, folder: Path, report: Callable[[str], None]) -> Isolated:
    """Raises BadRequest or Unfit, with a sentence, when it cannot be loaded. `report` gets what its card should say
    when the process ends; it is called on a thread of the process's own."""
    stand_ins = StandIns(launcher, folder, report)
    hooks = stand_ins.process.start()
    module = ModuleType(package_name(folder.name))
    for name in hooks:
        setattr(module, name, stand_ins.hook(name))
    stand_ins.process.measure()
    return Isolated(module, stand_ins.process)


class StandIns:
    """The hooks, and what answers the extension's own questions."""

    def __init__(self, launcher: Launcher, folder: Path, report: Callable[[str], None]) -> None:
        self._host: ExtensionHost | None = None
        self._calls = OpenCalls()
        self.process = IsolatedProcess(launcher, folder, self._handlers(), report, self._start_again)

    def hook(self, name: str) -> Callable[..., Any]:
        """With the arguments' names of the hook itself."""
        special: dict[str, Callable[..., Any]] = {
            "started": self._started,
            "settings_model": self._settings_model,
            "stream_transformer": self._stream_transformer,
            "write_reply": self._write_reply,
        }
        ask = functools.partial(self._items if name in GIVERS else self.process.ask, name)
        answer = special.get(name, ask)

        @functools.wraps(getattr(Hooks, name))
        def stand_in(*arguments: Any) -> Any:
            return answer(*arguments)

        return hook(stand_in)

    def _started(self, host: ExtensionHost) -> None:
        self._host = host
        self.process.ask("started", host.data)

    def _start_again(self) -> None:
        if self._host is not None:
            self._started(self._host)

    def _settings_model(self) -> type[BaseModel]:
        return settings_stand_in(
            self.process.ask("settings_model"), lambda values: self.process.ask("settings_model.check", values)
        )

    def _stream_transformer(self, context: RequestContext) -> "TransformerStandIn":
        return TransformerStandIn(self.process, self.process.ask("stream_transformer", context))

    def _write_reply(self, prompt: str, context: RequestContext) -> Iterator[str] | None:
        number: int | None = self.process.ask("write_reply", prompt, context)
        return None if number is None else self._pieces(number)

    def _pieces(self, number: int) -> Iterator[str]:
        while piece := self.process.ask("write_reply.next", number):
            yield piece[0]

    def _items(self, name: str) -> list[Any]:
        kind = GIVERS[name]
        return [
            item_of(kind, facts, self._function(name, key_of(name, facts), facts)) for facts in self.process.ask(name)
        ]

    def _function(self, name: str, key: str, facts: Any) -> Callable[..., Any]:
        ask = functools.partial(self.process.ask, f"{name}.{GIVERS[name].function}", key)
        if name == "tools":
            return functools.partial(self._run_tool, ask, facts.seconds + TOOL_GRACE_SECONDS)
        if name in {"tabs", "panels"}:
            return functools.partial(shown_parts, ask)
        return ask

    def _run_tool(self, ask: Callable[..., str], seconds: float, arguments: Any, context: ToolContext) -> str:
        with self._calls.open(context.cancelled) as call:
            return ask(ToolUse(arguments, call, context.conversation_id, context.settings), seconds=seconds)

    def _handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            "host.settings": lambda: self._asked_host().settings,
            "host.reply": self._reply,
            "host.embed": self._embed,
            "host.has_model": self._has_model,
            "host.has_conversation": self._has_conversation,
            "host.fetch_model": self._fetch_model,
            "host.readers": self._readers,
            "host.read": self._read,
            "host.fetch": self._fetch,
            "host.start_job": self._start_job,
            "host.log": self._log,
            "call.cancelled": self._calls.cancelled,
            "call.report": self._calls.report,
        }

    def _asked_host(self) -> ExtensionHost:
        if self._host is None:
            raise Unfit("asked for something of the program before it was started.")
        return self._host

    def _reply(self, messages: Sequence[Message], max_tokens: int, constraint: Constraint | None) -> str:
        return self._asked_host().reply(messages, max_tokens=max_tokens, constraint=constraint)

    def _embed(self, texts: Sequence[str], model: str) -> Sequence[Sequence[float]]:
        return self._asked_host().embed(texts, model=model)

    def _has_model(self, name: str) -> bool:
        return self._asked_host().has_model(name)

    def _has_conversation(self, conversation_id: str) -> bool:
        return self._asked_host().has_conversation(conversation_id)

    def _fetch_model(self, model: PackagedModel) -> None:
        self._asked_host().fetch_model(model, lambda _fraction, _note: None, lambda: False)

    def _fetch(self, url: str, max_bytes: int) -> Fetched:
        return Fetched(*self._asked_host().fetch(url, max_bytes=max_bytes))

    def _log(self, text: str) -> None:
        self._asked_host().log(text)

    def _readers(self) -> list[Any]:
        return [facts_of(GIVERS["document_readers"], reader) for reader in self._asked_host().readers()]

    def _read(self, name: str, path: Path) -> list[Passage]:
        readers: list[DocumentReader] = [one for one in self._asked_host().readers() if one.name == name]
        if not readers:
            raise ValueError(f"There is no document reader called {name} any more.")
        return list(readers[0].read(path))

    def _start_job(self, title: str, number: int) -> str:
        def work(report: Callable[[float | None, str], None], cancelled: Callable[[], bool]) -> None:
            with self._calls.open(cancelled, report) as call:
                self.process.ask("work", number, call, seconds=WORK_SECONDS)

        checked: Work = work
        return self._asked_host().start_job(title, checked)


class OpenCalls:
    """Calls whose other side may ask whether anybody waits, or say how far it is."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[Callable[[], bool], Callable[[float | None, str], None]]] = {}

    @contextmanager
    def open(
        self, cancelled: Callable[[], bool], report: Callable[[float | None, str], None] = lambda _fraction, _note: None
    ) -> Generator[int]:
        number = next(self._numbers)
        self._open[number] = (cancelled, report)
        try:
            yield number
        finally:
            del self._open[number]

    def cancelled(self, call: int) -> bool:
        found = self._open.get(call)
        return found is None or found[0]()

    def report(self, call: int, fraction: float | None, note: str) -> None:
        if (found := self._open.get(call)) is not None:
            found[1](fraction, note)


class TransformerStandIn:
    """The StreamTransformer of one reply."""

    def __init__(self, process: IsolatedProcess, number: int) -> None:
        self._process = process
        self._number = number

    def feed(self, text: str) -> str:
        return self._process.ask("stream_transformer.feed", self._number, text)

    def end(self) -> str:
        return self._process.ask("stream_transformer.end", self._number)


def shown_parts(ask: Callable[[ViewEvent], Any], event: ViewEvent) -> list[Part]:
    return parts_of(ask(event))
