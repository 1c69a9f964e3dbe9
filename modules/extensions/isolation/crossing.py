"""What may be asked between the program and an isolated extension, and what crosses each time.

A function stays where it is: the other side gets a stand-in that asks for it by the name of the item it belongs to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config

from modules.extensions.contracts import (
    Command,
    DocumentReader,
    EmbeddingModel,
    Panel,
    Part,
    Passage,
    RequestContext,
    Route,
    RouteAnswer,
    RouteRequest,
    Tab,
    Tool,
    ViewEvent,
)
from modules.extensions.hooks import Hooks
from modules.types.generation import Constraint
from modules.types.messages import Message
from modules.types.packaged_models import PackagedModel

# Hooks whose arguments and answer are values throughout.
PLAIN = (
    "filter_messages",
    "filter_prompt",
    "filter_request",
    "filter_reply",
    "logits_processors",
    "custom_css",
    "custom_js",
    "stopping",
    "model_loaded",
    "generation_started",
    "generation_finished",
    "conversation_saved",
    "job_finished",
)
PARTS: Mapping[str, TypeAdapter[Any]] = MappingProxyType({part.__name__: TypeAdapter(part) for part in get_args(Part)})
BASE64 = ConfigDict(val_json_bytes="base64")


@dataclass(frozen=True)
class Signature:
    """`arguments` is a tuple."""

    arguments: TypeAdapter[Any]
    answer: TypeAdapter[Any]


@dataclass(frozen=True)
class Giver:
    """A hook that gives items with one function each, the field `function`. `facts` is an item without it."""

    item: type
    function: str
    facts: type


@dataclass(frozen=True)
class ToolUse:
    """`call` is what the program's side knows the call by, when it is asked whether anybody still waits."""

    arguments: Mapping[str, Any]
    call: int
    conversation_id: str | None
    settings: Any


@dataclass(frozen=True)
class SettingsFacts:
    """A settings model: its JSON schema, and what is set when nobody has set anything."""

    schema: dict[str, Any]
    defaults: dict[str, Any]


@dataclass(frozen=True)
class WrongValue:
    """What pydantic says of it: the kind of error, its limits, and the sentence."""

    type: str
    limits: dict[str, Any]
    sentence: str


@dataclass(frozen=True)
class CheckedSettings:
    """What a settings model makes of values, or what is wrong with each; "" is the whole."""

    values: dict[str, Any]
    wrong: dict[str, WrongValue]


@with_config(BASE64)
@dataclass(frozen=True)
class RouteRequestAcross(RouteRequest):
    pass


@with_config(BASE64)
@dataclass(frozen=True)
class RouteAnswerAcross(RouteAnswer):
    body: bytes


@with_config(BASE64)
@dataclass(frozen=True)
class Fetched:
    body: bytes
    media_type: str


def giver(item: type, function: str) -> Giver:
    hints = get_type_hints(item)
    kept = [(field.name, hints[field.name]) for field in fields(item) if field.name != function]
    return Giver(item, function, make_dataclass(f"{item.__name__}Facts", kept, frozen=True))


GIVERS: Mapping[str, Giver] = {
    "tools": giver(Tool, "run"),
    "tabs": giver(Tab, "view"),
    "panels": giver(Panel, "view"),
    "routes": giver(Route, "answer"),
    "commands": giver(Command, "run"),
    "document_readers": giver(DocumentReader, "read"),
    "embedding_models": giver(EmbeddingModel, "embed"),
}


def key_of(hook: str, item: Any) -> str:
    """What an item is known by within its hook."""
    return f"{','.join(item.methods)} {item.path}" if hook == "routes" else str(item.name)


def facts_of(giver: Giver, item: Any) -> Any:
    """Raises AttributeError for what is no such item."""
    return giver.facts(**{field.name: getattr(item, field.name) for field in fields(giver.facts)})


def item_of(giver: Giver, facts: Any, function: Callable[..., Any]) -> Any:
    kept = {field.name: getattr(facts, field.name) for field in fields(facts)}
    return giver.item(**kept, **{giver.function: function})


def told_parts(parts: Sequence[Part]) -> list[tuple[str, Part]]:
    return [(type(part).__name__, part) for part in parts]


def parts_of(told: Sequence[tuple[str, Any]]) -> list[Part]:
    """Raises KeyError and ValidationError for what is no part."""
    return [PARTS[name].validate_python(part) for name, part in told]


def signature(answer: Any, *arguments: Any) -> Signature:
    # The types are known only now, so the checker cannot read them.
    taken: Any = tuple.__class_getitem__(arguments)
    return Signature(TypeAdapter(taken), TypeAdapter(answer))


def signature_of(hook: str) -> Signature:
    hints = get_type_hints(getattr(Hooks, hook))
    answer = hints.pop("return")
    return signature(answer, *hints.values())


def all_signatures() -> dict[str, Signature]:
    told = list[tuple[str, Any]]
    readers: Any = GIVERS["document_readers"].facts
    return {
        # The program asks.
        "load": signature(list[str], Path),
        "ping": signature(str, str),
        **{hook: signature_of(hook) for hook in PLAIN},
        **{hook: signature(list[giver.facts]) for hook, giver in GIVERS.items()},
        "tools.run": signature(str, str, ToolUse),
        "tabs.view": signature(told, str, ViewEvent),
        "panels.view": signature(told, str, ViewEvent),
        "routes.answer": signature(RouteAnswerAcross, str, RouteRequestAcross),
        "commands.run": signature(str, str, str, RequestContext),
        "document_readers.read": signature(list[Passage], str, Path),
        "embedding_models.embed": signature(list[list[float]], str, list[str]),
        "stream_transformer": signature(int, RequestContext),
        "stream_transformer.feed": signature(str, int, str),
        "stream_transformer.end": signature(str, int),
        "write_reply": signature(int | None, str, RequestContext),
        "write_reply.next": signature(list[str], int),
        "settings_model": signature(SettingsFacts),
        "settings_model.check": signature(CheckedSettings, dict[str, Any]),
        "started": signature(None, Path),
        "work": signature(None, int, int),
        # The extension asks.
        "host.settings": signature(dict[str, Any] | None),
        "host.reply": signature(str, list[Message], int, Constraint | None),
        "host.embed": signature(list[list[float]], list[str], str),
        "host.has_model": signature(bool, str),
        "host.has_conversation": signature(bool, str),
        "host.fetch_model": signature(None, PackagedModel),
        "host.readers": signature(list[readers]),
        "host.read": signature(list[Passage], str, Path),
        "host.fetch": signature(Fetched, str, int),
        "host.start_job": signature(str, str, int),
        "host.log": signature(None, str),
        "call.cancelled": signature(bool, int),
        "call.report": signature(None, int, float | None, str),
    }


SIGNATURES: Mapping[str, Signature] = all_signatures()
