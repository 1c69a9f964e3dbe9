"""Functions that a model may call: what it is told of them, its calls, and what became of these."""

import secrets
from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

Choice = Literal["none", "auto", "required"]
ToolMode = Literal["free", "first"]
Decision = Literal["once", "always", "no"]
CallState = Literal["waiting", "running", "done", "failed", "declined", "cancelled", "interrupted"]


@dataclass(frozen=True)
class ToolSpec:
    """What a model is told of a tool. `parameters` is the JSON schema of an object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolUse:
    """What a request says of tools.

    With `auto` the model decides between an answer and a call, with `required` it calls, with `none` it answers.
    `named` is the one that must be called; it goes with `required`. Without `parallel` there is one call at most.
    """

    tools: tuple[ToolSpec, ...]
    choice: Choice = "auto"
    named: str = ""
    parallel: bool = True

    @property
    def may_call(self) -> bool:
        return bool(self.tools) and self.choice != "none"


@dataclass(frozen=True)
class ToolCall:
    """A whole call; `arguments` is JSON text. The `id` is what its result is sent back with."""

    name: str
    arguments: str
    id: str = ""
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True)
class CallRecord:
    """A call within a reply, and what became of it.

    `round` counts from 1: calls of one round were made together, and the model went on after all of them. `place` is
    how many characters of the reply's text stood before it. `seconds` is how long the tool ran.
    """

    id: str
    name: str
    arguments: str
    extension: str = ""
    round: int = 1
    place: int = 0
    state: CallState = "running"
    result: str = ""
    error: str = ""
    seconds: float = 0.0

    @property
    def has_ended(self) -> bool:
        return self.state not in {"waiting", "running"}


@dataclass(frozen=True)
class CallChanged:
    """A call of this reply began, waits, or has ended."""

    call: CallRecord
    kind: Literal["call_changed"] = "call_changed"


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


@dataclass(frozen=True)
class ChosenTools:
    """What a person chose for a conversation. A tool's id is EXTENSION/NAME.

    In the mode `free` the model decides whether it calls; in `first` it calls one before each answer, which small
    models do not do by themselves. `always` are those that the person lets run without being asked.
    """

    ids: tuple[str, ...] = ()
    mode: ToolMode = "free"
    always: tuple[str, ...] = ()
