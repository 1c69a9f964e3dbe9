"""What scripts find under the names `modules.shared`, `modules.chat` and the like."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Never, Protocol

from modules.errors import BadRequest
from modules.extensions.textgen.support import SUPPORT, refusal
from modules.types.messages import Message

PLACEHOLDERS = re.compile(r"\{\{(user|char)\}\}|<(USER|BOT|CHAR)>", re.IGNORECASE)
WRITABLE = frozenset({"modules.shared.processing_message"})
REPLY_TOKENS = 512


class Caller(Protocol):
    """What stand-ins ask of the program."""

    def rendered(self, user_input: str, state: Mapping[str, Any], history: Any) -> str:
        """A text that stands for the prompt made of these."""
        ...

    def reply(self, messages: tuple[Message, ...], max_tokens: int) -> str: ...

    def log(self, text: str) -> None: ...


class StandIn:
    """A module, or an object in one. A name it lacks is found nevertheless, and refused when it is used."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        vars(self).update(_name=name, _values=values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        values: dict[str, Any] = vars(self)["_values"]
        full = f"{vars(self)['_name']}.{name}"
        return values[name] if name in values else Refused(full)

    def __setattr__(self, name: str, value: Any) -> None:
        full = f"{vars(self)['_name']}.{name}"
        if full not in WRITABLE:
            raise BadRequest(f"`{full}` cannot be set by an extension.")
        vars(self)["_values"][name] = value


class Refused:
    """A name that may be imported, as long as nothing is done with it."""

    def __init__(self, name: str) -> None:
        vars(self)["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse()

    def __call__(self, *_arguments: Any, **_named: Any) -> Never:
        self._refuse()

    def __getitem__(self, _key: Any) -> Never:
        self._refuse()

    def __iter__(self) -> Never:
        self._refuse()

    def __bool__(self) -> bool:
        raise BadRequest(refusal(vars(self)["_name"]))

    def _refuse(self) -> Never:
        raise BadRequest(refusal(vars(self)["_name"]))


class Settings(dict[str, Any]):
    """A key that is not there is named in the error."""

    def __missing__(self, key: str) -> Any:
        raise BadRequest(refusal(f'modules.shared.settings["{key}"]'))


class Modules:
    """`top` is what the name `modules` means to a script."""

    def __init__(self, name: str, caller: Caller) -> None:
        self._caller = caller
        switches = ("verbose", "listen", "share", "cpu", "nowebui", "multi_user")
        args = {**dict.fromkeys(switches, False), "extensions": [name]}
        self.shared: dict[str, Any] = {
            "model_name": "None",
            "settings": Settings(),
            "args": StandIn("modules.shared.args", args),
            "is_seq2seq": False,
            "lora_names": list[str](),
            "stop_everything": False,
            "session_is_loading": False,
            "processing_message": "",
        }
        functions = {
            "chat": {
                "generate_chat_prompt": self._generate_chat_prompt,
                "replace_character_names": replace_character_names,
            },
            "text_generation": {"generate_reply": self._generate_reply},
            "logging_colors": {"logger": card_logger(name, caller)},
            "shared": self.shared,
        }
        # A module of which nothing is supported may be imported as well.
        known = {row.name.split(".")[1] for row in SUPPORT if row.name.startswith("modules.")}
        self.top = StandIn("modules", {part: StandIn(f"modules.{part}", functions.get(part, {})) for part in known})

    def _generate_chat_prompt(self, user_input: str, state: Mapping[str, Any], **named: Any) -> str:
        if named.get("also_return_rows"):
            raise BadRequest("`generate_chat_prompt` cannot return rows: prompts are made by chat templates.")
        return self._caller.rendered(user_input, state, named.get("history"))

    def _generate_reply(self, question: str, state: Mapping[str, Any], *_settings: Any, **_named: Any) -> Iterator[str]:
        yield self._caller.reply((Message("user", question),), state.get("max_new_tokens") or REPLY_TOKENS)


def replace_character_names(text: str, name1: str, name2: str) -> str:
    """`name1` is the person, `name2` the model."""

    def name_for(match: re.Match[str]) -> str:
        return name1 if "user" in match.group().lower() else name2

    return PLACEHOLDERS.sub(name_for, text)


class CardHandling(logging.Handler):
    """Shows what is logged on the extension's card."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller

    def emit(self, record: logging.LogRecord) -> None:
        self._caller.log(f"{record.levelname.lower()}: {self.format(record)}")


def card_logger(name: str, caller: Caller) -> logging.Logger:
    """A logger that is in no registry, so it goes with its extension."""
    logger = logging.Logger(name, logging.INFO)
    logger.addHandler(CardHandling(caller))
    return logger
