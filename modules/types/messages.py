"""A message as the model sees it."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class Message:
    role: Role
    content: str
