"""Rows of conversations and messages, read and written within a transaction."""

import json
import sqlite3
import time
import uuid

from pydantic import TypeAdapter

from modules.errors import BadRequest, Conflict, NotFound
from modules.types.conversation import Conversation, MessageState, StoredMessage
from modules.types.messages import Role
from modules.types.tools import CallRecord

CALLS: TypeAdapter[tuple[CallRecord, ...]] = TypeAdapter(tuple[CallRecord, ...])
SHOWN = "id, title, revision, created, updated, active_leaf, folder"


def require_conversation(connection: sqlite3.Connection, conversation_id: str) -> sqlite3.Row:
    row = connection.execute(
        f"SELECT {SHOWN} FROM conversation WHERE id = ? AND deleted IS NULL", (conversation_id,)
    ).fetchone()
    if row is None:
        raise NotFound("This conversation does not exist any more.", field="id")
    return row


def require_message(connection: sqlite3.Connection, message_id: str) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM message WHERE id = ?", (message_id,)).fetchone()
    if row is None:
        raise NotFound("This message does not exist any more.", field="message_id")
    return row


def require_revision(connection: sqlite3.Connection, conversation_id: str, revision: int) -> None:
    if require_conversation(connection, conversation_id)["revision"] != revision:
        raise Conflict("This conversation was changed in another tab.", field="revision")


def require_parent(connection: sqlite3.Connection, conversation_id: str, message_id: str | None) -> None:
    if message_id is None:
        return
    row = connection.execute(
        "SELECT 1 FROM message WHERE id = ? AND conversation_id = ?", (message_id, conversation_id)
    ).fetchone()
    if row is None:
        raise BadRequest("This message is not in this conversation.", field="message_id")


def insert_message(
    connection: sqlite3.Connection,
    conversation_id: str,
    parent_id: str | None,
    role: Role,
    *,
    content: str,
    state: MessageState,
    model: str,
) -> str:
    message_id = uuid.uuid4().hex
    connection.execute(
        "INSERT INTO message (id, conversation_id, parent_id, role, content, state, model, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (message_id, conversation_id, parent_id, role, content, state, model, time.time()),
    )
    return message_id


def touch(connection: sqlite3.Connection, conversation_id: str, leaf: str) -> None:
    """Show the path to `leaf`, and remember it for when a person comes back to an earlier message of it."""
    connection.execute(
        "UPDATE conversation SET active_leaf = ?, revision = revision + 1, updated = ? WHERE id = ?",
        (leaf, time.time(), conversation_id),
    )
    connection.execute(
        """
        WITH RECURSIVE branch (id, parent_id) AS (
            SELECT id, parent_id FROM message WHERE id = ?
            UNION ALL
            SELECT message.id, message.parent_id FROM branch JOIN message ON message.id = branch.parent_id
        )
        UPDATE message SET chosen_child = branch.id FROM branch
        WHERE message.id = branch.parent_id AND message.chosen_child IS NOT branch.id
        """,
        (leaf,),
    )


def chosen_child(connection: sqlite3.Connection, conversation_id: str, parent_id: str) -> str | None:
    """The one that was shown last, or else the newest."""
    row = connection.execute(
        """
        SELECT id FROM message WHERE conversation_id = ? AND parent_id = ?
        ORDER BY id IS (SELECT chosen_child FROM message WHERE id = ?) DESC, sequence DESC LIMIT 1
        """,
        (conversation_id, parent_id, parent_id),
    ).fetchone()
    return row["id"] if row else None


def siblings_by_parent(connection: sqlite3.Connection, conversation_id: str) -> dict[str | None, tuple[str, ...]]:
    groups: dict[str | None, tuple[str, ...]] = {}
    for row in connection.execute(
        "SELECT id, parent_id FROM message WHERE conversation_id = ? ORDER BY sequence", (conversation_id,)
    ):
        groups[row["parent_id"]] = (*groups.get(row["parent_id"], ()), row["id"])
    return groups


def conversation_of(row: sqlite3.Row) -> Conversation:
    return Conversation(**{name: row[name] for name in SHOWN.split(", ")})


def message_of(row: sqlite3.Row, siblings: dict[str | None, tuple[str, ...]]) -> StoredMessage:
    return StoredMessage(
        id=row["id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        role=row["role"],
        content=row["content"],
        created=row["created"],
        state=row["state"],
        reasoning=row["reasoning"],
        model=row["model"],
        error=row["error"],
        stats=json.loads(row["stats"]),
        siblings=siblings.get(row["parent_id"], ()),
        calls=CALLS.validate_json(row["calls"]),
    )
