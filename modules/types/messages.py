"""A message as the model sees it."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from modules.types.tools import ToolCall

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class Message:
    """An assistant's message may hold `tool_calls`; a tool's names with `tool_call_id` the call that it answers."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
