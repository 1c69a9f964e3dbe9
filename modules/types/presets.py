"""Presets, and the scopes that have parameters of their own."""

from dataclasses import dataclass, field
from typing import Any, Literal

ScopeKind = Literal["everywhere", "model", "conversation", "document"]


@dataclass(frozen=True)
class Scope:
    """What parameters hold for. `target` is the id of the model, conversation or document, empty for everywhere."""

    kind: ScopeKind
    target: str = ""


EVERYWHERE = Scope("everywhere")


@dataclass(frozen=True)
class Preset:
    """Parameters by name. `values` are those that differ from the defaults, as JSON.

    `unknown` is what the file holds besides, kept when it is saved again. One that is shipped and changed is a person's
    own version of a shipped one. One with a `problem`, a sentence, cannot be used and has no values.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    description: str = ""
    unknown: dict[str, Any] = field(default_factory=dict[str, Any])
    is_shipped: bool = False
    is_changed: bool = False
    problem: str = ""
