"""What hooks must return, and what is done to what they are handed so that it stays as it was."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from operator import itemgetter
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from modules.engines.protocol import EngineKind
from modules.extensions.contracts import (
    Command,
    DocumentReader,
    EmbeddingModel,
    LogitsProcessor,
    Panel,
    Route,
    Tab,
    Tool,
)
from modules.extensions.guard import Unfit
from modules.limits import LIMITS
from modules.types.faults import fault_of
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

# Hooks that return a list, and what it holds; then hooks that return one thing.
LISTS: Mapping[str, type] = {
    "logits_processors": LogitsProcessor,
    "tools": Tool,
    "tabs": Tab,
    "panels": Panel,
    "routes": Route,
    "commands": Command,
    "engines": EngineKind,
    "document_readers": DocumentReader,
    "embedding_models": EmbeddingModel,
}
SINGLES: Mapping[str, type] = {"custom_css": str, "custom_js": str}
# What a filter is handed, by the name of its argument.
FILTERED: Mapping[str, str] = {
    "filter_messages": "messages",
    "filter_prompt": "prompt",
    "filter_request": "params",
    "filter_reply": "text",
}
# Knobs that could be changed in place.
CHANGEABLE_KNOBS = ("dry_sequence_breakers", "samplers", "logit_bias", "banned_tokens", "banned_phrases")
CHANGEABLE_OF = itemgetter(*CHANGEABLE_KNOBS)
REPLY_PARAMS = TypeAdapter(ReplyParams)
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
# What OpenAI takes, and models read well.
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_ITEMS = 200
PROCESSOR_PATH = re.compile(r"\w+(\.\w+)*:\w+")
MAX_STYLE_CHARS = 512 * 1024
# Text may grow to this many times what went in, and may always have this many characters.
FLOOD_TIMES = 4
FLOOD_CHARS = 64 * 1024


def checked_pieces(returned: object) -> Iterator[str]:
    """A reply that is written piece by piece. Raises Unfit, and so does a piece that is no text."""
    if not isinstance(returned, Iterator):
        raise Unfit(f"returned {kind_of(returned)} instead of an iterator of texts.")
    return (checked_piece(piece) for piece in cast(Iterator[object], returned))


def checked_piece(piece: object) -> str:
    if not isinstance(piece, str):
        raise Unfit(f"wrote {kind_of(piece)} instead of text.")
    return piece


def items_of(hook: str, returned: object) -> tuple[Any, ...]:
    """What a hook gave, as items. Raises Unfit."""
    if hook in SINGLES:
        if not isinstance(returned, str):
            raise Unfit(f"returned {kind_of(returned)} instead of text.")
        if len(returned) > MAX_STYLE_CHARS:
            raise Unfit(f"returned {len(returned):,} characters; {MAX_STYLE_CHARS:,} are the limit.")
        return (returned,)
    wanted = LISTS[hook]
    if not isinstance(returned, Sequence) or isinstance(returned, str | bytes):
        raise Unfit(f"returned {kind_of(returned)} instead of a list of {wanted.__name__}.")
    items = tuple(cast(Sequence[object], returned))
    if len(items) > MAX_ITEMS:
        raise Unfit(f"returned {len(items):,} items; {MAX_ITEMS} are the limit.")
    for item in items:
        if not isinstance(item, wanted):
            raise Unfit(f"returned a list with {kind_of(item)} in it; {wanted.__name__} is expected.")
        if isinstance(item, LogitsProcessor):
            check_processor(item)
        if isinstance(item, Tool):
            check_tool(item)
        check_words(item)
    return items


def check_words(item: object) -> None:
    """What the page and addresses call it. Raises Unfit."""
    match item:
        case Tab(name=name, title=words) | Panel(name=name, title=words) | Command(name=name, help=words):
            if not is_text(name) or not NAME.fullmatch(name):
                called = f"a {type(item).__name__} called {str(name)[:60]!r}"
                raise Unfit(f"returned {called}; 1 to 60 letters, digits, - and _ can be used.")
            if not is_text(words):
                raise Unfit(f"returned a {type(item).__name__} with {kind_of(words)} where a text belongs.")
            sound_text(words)
        case Route(path=path) if not is_text(path):
            raise Unfit(f"returned a Route with {kind_of(path)} as its path.")
        case _:
            pass


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def is_number(value: object) -> bool:
    return isinstance(value, int | float)


def check_processor(processor: LogitsProcessor) -> None:
    """What crosses to an engine must be JSON. Raises Unfit."""
    try:
        json.dumps(dict(processor.arguments), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Unfit(f"returned a LogitsProcessor whose arguments are no JSON: {error}.") from error
    if processor.path and not PROCESSOR_PATH.fullmatch(processor.path):
        raise Unfit(f"returned a LogitsProcessor with the path {processor.path[:80]!r}; `module:name` is expected.")


def check_tool(tool: Tool) -> None:
    """What models are told of it, and how long it may take. Raises Unfit."""
    if not is_text(tool.name) or not TOOL_NAME.fullmatch(tool.name):
        called = f"a Tool called {str(tool.name)[:80]!r}"
        raise Unfit(f"returned {called}; 1 to 64 letters, digits, dots, - and _ can be used.")
    if not is_text(tool.description):
        raise Unfit(f"returned a Tool with {kind_of(tool.description)} where a text belongs.")
    sound_text(tool.description)
    if not is_mapping(tool.parameters):
        raise Unfit(f"returned a Tool with {kind_of(tool.parameters)} as its parameters.")
    if not is_number(tool.seconds) or not tool.seconds > 0:
        raise Unfit(f"returned a Tool that may take {tool.seconds!r} seconds.")


class Handing:
    """What the filters of one chain are handed. What could be changed in place is a copy, which serves the next filter
    too once it has come back as it was."""

    def __init__(self) -> None:
        self._value: Any = None
        self._spare: Any = None
        self._before: tuple[Any, ...] = ()

    def of(self, value: Any) -> Any:
        """`value` as an extension gets it."""
        if not isinstance(value, ReplyParams):
            return value
        if value is not self._value:
            self._value, self._before, self._spare = value, changeable(value), None
        own, self._spare = self._spare or copied(value), None
        return own

    def returned(self, value: Any, own: Any, after: object) -> object:
        """What came back, or `value` itself where that is what was handed out, `own`, and as it was."""
        # A filter that was left behind may come back when the value is another already.
        is_current = value is self._value and own is not value
        if not is_current or after is not own or changeable(own) != self._before:
            return after
        self._spare = own
        return value


def changeable(params: ReplyParams) -> tuple[Any, ...]:
    """What of it could be changed in place."""
    return (*CHANGEABLE_OF(vars(params.sampling)), *[use.arguments for use in params.processors])


def copied(params: ReplyParams) -> ReplyParams:
    own: dict[str, Any] = {name: copy(vars(params.sampling)[name]) for name in CHANGEABLE_KNOBS}
    processors = tuple(replace(use, arguments=deepcopy(use.arguments)) for use in params.processors)
    return replace(params, sampling=params.sampling.model_copy(update=own), processors=processors)


def filtered(hook: str, before: Any, after: object) -> Any:
    """What a filter made of `before`. Raises Unfit."""
    return before if after is before else CHECKS[hook](before, after)


def checked_messages(before: tuple[Message, ...], after: object) -> tuple[Message, ...]:
    if not isinstance(after, tuple):
        raise Unfit(f"returned {kind_of(after)} instead of a tuple of messages.")
    messages: list[Message] = []
    for one in cast(tuple[object, ...], after):
        if not isinstance(one, Message):
            raise Unfit(f"returned a tuple with {kind_of(one)} in it; Message is expected.")
        sound_text(one.content)
        messages.append(one)
    if not messages:
        raise Unfit("returned no message at all.")
    refuse_flood(sum(len(one.content) for one in before), sum(len(one.content) for one in messages))
    return tuple(messages)


def checked_prompt(before: str, after: object) -> str:
    text = checked_text(before, after)
    if not text:
        raise Unfit("returned an empty prompt.")
    return text


def checked_text(before: str, after: object) -> str:
    if not isinstance(after, str):
        raise Unfit(f"returned {kind_of(after)} instead of text.")
    refuse_flood(len(before), len(after))
    return sound_text(after)


def checked_request(before: ReplyParams, after: object) -> ReplyParams:
    """Knobs that were changed are read anew: whoever made them may have gone past their ranges."""
    if not isinstance(after, ReplyParams):
        raise Unfit(f"returned {kind_of(after)} instead of ReplyParams.")
    if after.max_tokens is not None and after.max_tokens < 1:
        raise Unfit(f"returned max_tokens {after.max_tokens}; at least 1 is needed.")
    if after == before:
        return before
    if len(after.stop) > LIMITS.stop_strings:
        raise Unfit(f"returned {len(after.stop):,} stop texts; {LIMITS.stop_strings} are the limit.")
    try:
        return REPLY_PARAMS.validate_python({**vars(after), "sampling": after.sampling.model_dump()})
    except ValidationError as error:
        first = error.errors()[0]
        raise Unfit(f"returned params whose {'.'.join(map(str, first['loc']))} {fault_of(first)}.") from error


CHECKS: Mapping[str, Callable[[Any, object], Any]] = {
    "filter_messages": checked_messages,
    "filter_prompt": checked_prompt,
    "filter_request": checked_request,
    "filter_reply": checked_text,
}


def checked_settings_model(returned: object) -> type[BaseModel]:
    if isinstance(returned, type) and issubclass(returned, BaseModel):
        return returned
    raise Unfit("returned something else than a class of pydantic's BaseModel.")


def refuse_flood(before: int, after: int) -> None:
    """Characters that went in, and came out. Raises Unfit."""
    if after > FLOOD_CHARS and after > FLOOD_TIMES * before:
        raise Unfit(f"made {after:,} characters of {before:,}, more than {FLOOD_TIMES} times as many.")


def sound_text(text: str) -> str:
    """Raises Unfit for halves of surrogate pairs, which nothing after it could store or send."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Unfit("returned text with half of a surrogate pair, which is no character.")
    return text


def kind_of(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
