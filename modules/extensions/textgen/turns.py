"""One reply on its way through a script: from the messages to the prompt."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Never

from modules.errors import BadRequest
from modules.extensions.textgen.state import State, history_of, messages_of
from modules.types.messages import Message

# Not a character of any language; the number is that of the prompt.
MARK = "\ue01fprompt {}\ue01f"


# What asks a text for its characters.
LOOKS = (
    "__getitem__", "__iter__", "__len__", "__contains__", "replace", "split", "rsplit", "splitlines", "find", "rfind",
    "index", "rindex", "partition", "rpartition", "startswith", "endswith", "strip", "lstrip", "rstrip", "count",
    "encode", "lower", "upper",
)  # fmt: skip


def refuse_look(*_arguments: Any, **_named: Any) -> Never:
    raise BadRequest("What `generate_chat_prompt` returns cannot be looked into or changed, only added to.")


def is_there(_text: str) -> bool:
    return True


# Stands for a prompt that does not exist yet: other text can be put around it, but nobody can look into it.
PromptText: type[str] = type("PromptText", (str,), {**dict.fromkeys(LOOKS, refuse_look), "__bool__": is_there})


@dataclass
class Turn:
    """`prompt` is what a script made instead of the template, with marks where rendered messages belong.

    `prefix` begins the reply without being a part of it.
    """

    state: State
    is_chat: bool
    knobs: dict[str, Any]
    prompt: str | None = None
    prefix: str = ""
    rendered: dict[str, tuple[Message, ...]] = field(default_factory=dict[str, tuple[Message, ...]])

    def changed_knobs(self, now: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in now.items() if value != self.knobs.get(name)}

    def render(self, messages: tuple[Message, ...]) -> str:
        mark = MARK.format(len(self.rendered))
        self.rendered[mark] = messages
        return PromptText(mark)

    def chosen_messages(self) -> tuple[Message, ...] | None:
        """Those whose prompt is a part of the script's; None where there is no such part."""
        marks = [mark for mark in self.rendered if self.prompt is not None and str.__contains__(self.prompt, mark)]
        if len(marks) > 1:
            raise BadRequest("A prompt can be made around one `generate_chat_prompt`, and these are several.")
        return self.rendered[marks[0]] if marks else None

    def completed(self, rendered: str) -> str:
        """The prompt, once the template has made `rendered` of the messages."""
        if self.prompt is None:
            return rendered + self.prefix
        prompt = str(self.prompt)
        for mark in self.rendered:
            prompt = prompt.replace(mark, rendered + self.prefix)
        return prompt


@dataclass
class Chat:
    """Messages apart: the system's, earlier turns, and the one to answer. None of it is changed in place."""

    system: str
    past: tuple[Message, ...]
    message: str | None
    history: dict[str, Any]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Chat":
        rest = list(messages)
        system = rest.pop(0).content if rest and rest[0].role == "system" else ""
        message = rest.pop().content if rest and rest[-1].role == "user" else None
        return cls(system, tuple(rest), message, history_of(rest))

    def with_changes(self, context: str, history: Any, message: str | None) -> tuple[Message, ...]:
        """Earlier turns are made anew only where a script has changed them: pairs know no calls of tools."""
        past = self.past if history == self.history else messages_of(history)
        system = [Message("system", context)] if context else []
        last = [Message("user", message)] if message is not None else []
        return (*system, *past, *last)

    def own_history(self) -> dict[str, Any]:
        return deepcopy(self.history)
