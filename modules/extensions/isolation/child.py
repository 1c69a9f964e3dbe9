"""The process of an isolated extension: `python -m modules.extensions.isolation.child PARENT_PID`."""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from modules.children import ParentPipe
from modules.errors import BadRequest
from modules.extensions.checks import checked_pieces, checked_settings_model, items_of
from modules.extensions.contracts import (
    Part,
    Passage,
    RequestContext,
    RouteAnswer,
    RouteRequest,
    StreamTransformer,
    ToolContext,
    ViewEvent,
    Work,
)
from modules.extensions.folders import look_at
from modules.extensions.guard import Unfit
from modules.extensions.hooks import Hooks
from modules.extensions.isolation.crossing import (
    GIVERS,
    PARTS,
    PLAIN,
    CheckedSettings,
    SettingsFacts,
    ToolUse,
    WrongValue,
    facts_of,
    key_of,
    told_parts,
)
from modules.extensions.isolation.remote_host import RemoteHost
from modules.extensions.isolation.wire import Peer
from modules.extensions.loading import Loader
from modules.extensions.plugins import Plugin
from modules.extensions.settings_values import plain_values
from modules.types.extension_source import ExtensionSource

# Of replies that were never ended; the oldest goes.
MAX_OPEN_REPLIES = 256

Held = TypeVar("Held")


class OpenReplies(Generic[Held]):
    """What the extension made for replies that are being written, by numbers that cross."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._held: dict[int, Held] = {}

    def add(self, made: Held) -> int:
        number = next(self._numbers)
        self._held[number] = made
        while len(self._held) > MAX_OPEN_REPLIES:
            del self._held[min(self._held)]
        return number

    def get(self, number: int) -> Held:
        found = self._held.get(number)
        if found is None:
            raise Unfit("has lost this reply: its process was started again.")
        return found

    def end(self, number: int) -> None:
        self._held.pop(number, None)


class IsolatedExtension:
    """Answers the program's questions with the extension's hooks; each on a thread of its own."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.peer = Peer(send, self._handlers())
        self._plugin: Plugin | None = None
        self._settings_model: type[BaseModel] | None = None
        self._items: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._transformers = OpenReplies[StreamTransformer](self._numbers)
        self._writers = OpenReplies[Iterator[str]](self._numbers)
        self._works: dict[int, Work] = {}

    def _handlers(self) -> dict[str, Callable[..., Any]]:
        return {
            "load": self._load,
            "ping": str,
            **{hook: self._plain(hook) for hook in PLAIN},
            **{hook: self._giving(hook) for hook in GIVERS},
            "tools.run": self._run_tool,
            "tabs.view": partial(self._view, "tabs"),
            "panels.view": partial(self._view, "panels"),
            "routes.answer": self._answer_route,
            "commands.run": self._run_command,
            "document_readers.read": self._read,
            "embedding_models.embed": self._embed,
            "stream_transformer": self._stream_transformer,
            "stream_transformer.feed": self._feed,
            "stream_transformer.end": self._end_transformer,
            "write_reply": self._write_reply,
            "write_reply.next": self._next_piece,
            "settings_model": self._tell_settings,
            "settings_model.check": self._check_settings,
            "started": self._started,
            "work": self._work,
        }

    def _load(self, folder: Path) -> list[str]:
        """Raises whatever keeps it from being loaded."""
        found = look_at(folder, is_bundled=False)
        if found.fault:
            raise BadRequest(found.fault)
        assert found.manifest is not None
        loader = Loader()
        source = ExtensionSource(found.name, folder, found.manifest.entry, revision=0.0)
        plugin = loader.register(found.name, source, loader.import_entry(found))
        if "engines" in plugin.hooks and found.manifest.isolated:
            raise BadRequest(
                "Engines cannot be isolated: each runs in a worker process of its own anyway. "
                "Leave out `isolated = true`, or the hook `engines`."
            )
        self._plugin = plugin
        if "settings_model" in plugin.hooks:
            self._settings_model = checked_settings_model(plugin.invoke("settings_model"))
        return sorted(plugin.hooks)

    def _invoke(self, hook: str, *arguments: Any) -> Any:
        assert self._plugin is not None
        names = [name for name in get_type_hints(getattr(Hooks, hook)) if name != "return"]
        return self._plugin.invoke(
            hook, **dict(zip(names, (self._with_settings(one) for one in arguments), strict=True))
        )

    def _with_settings(self, argument: Any) -> Any:
        """The person's settings as the extension's own model, in whatever brings them."""
        brings = RequestContext | ToolContext | ViewEvent | RouteRequest
        if self._settings_model is None or not isinstance(argument, brings) or argument.settings is None:
            return argument
        return replace(argument, settings=self._settings_model.model_validate(argument.settings))

    def _plain(self, hook: str) -> Callable[..., Any]:
        return lambda *arguments: self._invoke(hook, *arguments)

    def _giving(self, hook: str) -> Callable[[], list[Any]]:
        return lambda: [facts_of(GIVERS[hook], item) for item in self._collect(hook).values()]

    def _collect(self, hook: str) -> dict[str, Any]:
        self._items[hook] = {key_of(hook, item): item for item in items_of(hook, self._invoke(hook))}
        return self._items[hook]

    def _item(self, hook: str, key: str) -> Any:
        """As it was given last; asked for anew after a restart."""
        found = self._items.get(hook, {}).get(key) or self._collect(hook).get(key)
        if found is None:
            raise Unfit(f"does not give {key!r} any more.")
        return found

    def _run_tool(self, key: str, use: ToolUse) -> str:
        context = ToolContext(use.conversation_id, use.settings, lambda: self.peer.ask("call.cancelled", use.call))
        return self._item("tools", key).run(use.arguments, self._with_settings(context))

    def _view(self, hook: str, key: str, event: ViewEvent) -> list[tuple[str, Part]]:
        parts: Sequence[Part] = list(self._item(hook, key).view(self._with_settings(event)))
        if wrong := [part for part in parts if type(part).__name__ not in PARTS]:
            raise Unfit(f"showed {type(wrong[0]).__name__}, which is no part of a view.")
        return told_parts(parts)

    def _answer_route(self, key: str, request: RouteRequest) -> RouteAnswer:
        answer: RouteAnswer = self._item("routes", key).answer(self._with_settings(request))
        match answer.body:
            case bytes():
                return answer
            case str():
                return replace(answer, body=answer.body.encode())
            case _:
                return replace(answer, body=json.dumps(answer.body).encode())

    def _run_command(self, key: str, rest: str, context: RequestContext) -> str:
        return self._item("commands", key).run(rest, self._with_settings(context))

    def _read(self, key: str, path: Path) -> list[Passage]:
        return list(self._item("document_readers", key).read(path))

    def _embed(self, key: str, texts: Sequence[str]) -> Any:
        return self._item("embedding_models", key).embed(texts)

    def _stream_transformer(self, context: RequestContext) -> int:
        return self._transformers.add(self._invoke("stream_transformer", context))

    def _feed(self, number: int, text: str) -> str:
        return self._transformers.get(number).feed(text)

    def _end_transformer(self, number: int) -> str:
        try:
            return self._transformers.get(number).end()
        finally:
            self._transformers.end(number)

    def _write_reply(self, prompt: str, context: RequestContext) -> int | None:
        pieces = self._invoke("write_reply", prompt, context)
        if pieces is None:
            return None
        return self._writers.add(checked_pieces(pieces))

    def _next_piece(self, number: int) -> list[str]:
        """Empty at the end."""
        pieces = list(islice(self._writers.get(number), 1))
        if not pieces:
            self._writers.end(number)
        return pieces

    def _tell_settings(self) -> SettingsFacts:
        model = checked_settings_model(self._settings_model)
        return SettingsFacts(model.model_json_schema(), plain_values(model()))

    def _check_settings(self, values: dict[str, Any]) -> CheckedSettings:
        try:
            made = checked_settings_model(self._settings_model).model_validate(values)
            return CheckedSettings(plain_values(made), {})
        except ValidationError as error:
            return CheckedSettings(values, dict(wrong_value(one) for one in error.errors()))

    def _started(self, data: Path) -> None:
        self._invoke("started", RemoteHost(data, self.peer, self._host_settings, self._keep_work))

    def _host_settings(self) -> BaseModel | None:
        values = self.peer.ask("host.settings")
        if values is None or self._settings_model is None:
            return None
        return self._settings_model.model_validate(values)

    def _keep_work(self, work: Work) -> int:
        number = next(self._numbers)
        self._works[number] = work
        return number

    def _work(self, number: int, call: int) -> None:
        work = self._works.pop(number, None)
        if work is None:
            raise Unfit("has lost this job: its process was started again.")
        work(
            lambda fraction, note: self.peer.ask("call.report", call, fraction, note),
            lambda: self.peer.ask("call.cancelled", call),
        )


def wrong_value(error: ErrorDetails) -> tuple[str, WrongValue]:
    """(the field, what is wrong with it)."""
    limits = {name: limit for name, limit in error.get("ctx", {}).items() if isinstance(limit, str | int | float)}
    field = str(error["loc"][0]) if error["loc"] else ""
    return field, WrongValue(error["type"], limits, error["msg"])


def main() -> None:
    pipe = ParentPipe()
    extension = IsolatedExtension(pipe.send)
    for line in pipe.lines():
        extension.peer.take(line)
    # Threads that the extension left behind are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
