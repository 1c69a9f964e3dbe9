"""Conversations and their stored messages: a tree, of which one path is shown."""

from dataclasses import dataclass, field
from typing import Any, Literal

from modules.types.messages import Role
from modules.types.tools import CallRecord

MessageState = Literal["complete", "streaming", "stopped", "failed"]


@dataclass(frozen=True)
class Conversation:
    """A row of the sidebar. `revision` grows with every change to the tree; times are Unix seconds.

    `folder` is a path of names, or empty.
    """

    id: str
    title: str
    revision: int
    created: float
    updated: float
    active_leaf: str | None = None
    folder: str = ""


@dataclass(frozen=True)
class StoredMessage:
    """A node of the tree. `siblings` are the ids of its versions, itself included, oldest first."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    created: float
    state: MessageState = "complete"
    reasoning: str = ""
    model: str = ""
    error: str = ""
    stats: dict[str, Any] = field(default_factory=dict[str, Any])
    siblings: tuple[str, ...] = ()
    calls: tuple[CallRecord, ...] = ()

    @property
    def pieces(self) -> tuple[str | CallRecord, ...]:
        """Its texts and the calls of tools between them, in their order; empty texts are left out."""
        pieces: list[str | CallRecord] = []
        place = 0
        for call in self.calls:
            pieces += [self.content[place : call.place].strip(), call]
            place = max(place, call.place)
        pieces.append(self.content[place:].strip())
        return tuple(piece for piece in pieces if piece)


@dataclass(frozen=True)
class SearchHit:
    """A conversation that contains the words, with a snippet whose matches stand between \\x02 and \\x03."""

    conversation: Conversation
    snippet: str
