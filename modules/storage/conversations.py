"""Conversations in the database: a tree of messages each, of which the path to the active leaf is shown."""

import json
import sqlite3
import time
import uuid
from typing import Any

from modules.errors import BadRequest, Conflict, NotFound
from modules.limits import LIMITS
from modules.storage.database import Database, cleaned
from modules.storage.search import CONVERSATIONS, found
from modules.types.conversation import Conversation, MessageState, SearchHit, StoredMessage
from modules.types.messages import Role

TITLE_CHARS = 48
UNTITLED = "New chat"
INTERRUPTED = "The program ended while this was being written."
SHOWN = "id, title, revision, created, updated, active_leaf"


class ConversationStore:
    """Any thread may call. A change that names a `revision` other than the stored one raises Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, title: str) -> Conversation:
        now = time.time()
        conversation = Conversation(uuid.uuid4().hex, title or UNTITLED, 0, now, now)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO conversation (id, title, created, updated) VALUES (?, ?, ?, ?)",
                (conversation.id, storable(conversation.title, "title"), now, now),
            )
        return conversation

    def get(self, conversation_id: str) -> Conversation:
        with self._database.read() as connection:
            return conversation_of(require_conversation(connection, conversation_id))

    def newest(self, limit: int = 200, offset: int = 0) -> list[Conversation]:
        """Newest first, without the deleted ones."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {SHOWN} FROM conversation WHERE deleted IS NULL ORDER BY updated DESC LIMIT ? OFFSET ?",
                (limit, offset),
            ).fetchall()
        return [conversation_of(row) for row in rows]

    def rename(self, conversation_id: str, title: str) -> Conversation:
        """A title given by hand."""
        bare = " ".join(storable(title, "title").split())
        if not 1 <= len(bare) <= LIMITS.title_chars:
            raise BadRequest(f"A title has 1 to {LIMITS.title_chars} characters.", field="title")
        with self._database.transaction() as connection:
            require_conversation(connection, conversation_id)
            connection.execute(
                "UPDATE conversation SET title = ?, custom_title = 1 WHERE id = ?", (bare, conversation_id)
            )
            return conversation_of(require_conversation(connection, conversation_id))

    def delete(self, conversation_id: str) -> None:
        """Hide it until `restore` or `purge`."""
        with self._database.transaction() as connection:
            require_conversation(connection, conversation_id)
            connection.execute("UPDATE conversation SET deleted = ? WHERE id = ?", (time.time(), conversation_id))

    def restore(self, conversation_id: str) -> Conversation:
        with self._database.transaction() as connection:
            connection.execute("UPDATE conversation SET deleted = NULL WHERE id = ?", (conversation_id,))
            return conversation_of(require_conversation(connection, conversation_id))

    def purge(self, older_than_seconds: float) -> int:
        """Remove for good what was deleted longer ago; returns how many conversations."""
        before = (time.time() - older_than_seconds,)
        with self._database.transaction() as connection:
            # Removing a message removes those below it, one level of recursion each, and SQLite stops at 1000 levels.
            connection.execute(
                "UPDATE message SET parent_id = NULL "
                "WHERE conversation_id IN (SELECT id FROM conversation WHERE deleted < ?)",
                before,
            )
            return connection.execute("DELETE FROM conversation WHERE deleted < ?", before).rowcount

    def search(self, words: str, limit: int = 50) -> list[SearchHit]:
        """Conversations where one message or the title holds all words, each as a beginning; best first."""
        with self._database.read() as connection:
            rows = found(connection, CONVERSATIONS, words, limit, has_index=self._database.has_search_index)
        return [SearchHit(conversation_of(row), row["snippet"]) for row in rows]

    def path(self, conversation_id: str) -> list[StoredMessage]:
        """From the first message to the active leaf, each with its versions."""
        with self._database.read() as connection:
            conversation = require_conversation(connection, conversation_id)
            rows = connection.execute(
                """
                WITH RECURSIVE branch (id, parent_id, depth) AS (
                    SELECT id, parent_id, 0 FROM message WHERE id = ?
                    UNION ALL
                    SELECT message.id, message.parent_id, branch.depth + 1
                    FROM message JOIN branch ON message.id = branch.parent_id
                )
                SELECT message.* FROM branch JOIN message ON message.id = branch.id ORDER BY branch.depth DESC
                """,
                (conversation["active_leaf"],),
            ).fetchall()
            siblings = siblings_by_parent(connection, conversation_id)
        return [message_of(row, siblings) for row in rows]

    def message(self, message_id: str) -> StoredMessage:
        with self._database.read() as connection:
            row = require_message(connection, message_id)
            return message_of(row, siblings_by_parent(connection, row["conversation_id"]))

    def append_turn(
        self, conversation_id: str, parent_id: str | None, content: str, model: str, revision: int
    ) -> tuple[StoredMessage, StoredMessage]:
        """The person's message and an empty reply to it that is about to stream."""
        storable(content, "text")
        with self._database.transaction() as connection:
            require_revision(connection, conversation_id, revision)
            require_parent(connection, conversation_id, parent_id)
            asked = insert_message(
                connection, conversation_id, parent_id, "user", content=content, state="complete", model=""
            )
            reply = insert_message(
                connection, conversation_id, asked, "assistant", content="", state="streaming", model=model
            )
            touch(connection, conversation_id, reply)
            return self.message(asked), self.message(reply)

    def append_reply(self, conversation_id: str, parent_id: str, model: str, revision: int) -> StoredMessage:
        """Another version of the reply to the message `parent_id`."""
        with self._database.transaction() as connection:
            require_revision(connection, conversation_id, revision)
            require_parent(connection, conversation_id, parent_id)
            reply = insert_message(
                connection, conversation_id, parent_id, "assistant", content="", state="streaming", model=model
            )
            touch(connection, conversation_id, reply)
            return self.message(reply)

    def update_reply(
        self,
        message_id: str,
        *,
        content: str,
        reasoning: str,
        state: MessageState,
        error: str = "",
        stats: dict[str, Any] | None = None,
    ) -> None:
        """What a reply says so far, or finally. Replies come from engines, so odd characters are replaced."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE message SET content = ?, reasoning = ?, state = ?, error = ?, stats = ? WHERE id = ?",
                (cleaned(content), cleaned(reasoning), state, cleaned(error), json.dumps(stats or {}), message_id),
            )

    def select_version(self, conversation_id: str, message_id: str, revision: int) -> Conversation:
        """Show this version of a message, and what followed it last."""
        with self._database.transaction() as connection:
            require_revision(connection, conversation_id, revision)
            require_parent(connection, conversation_id, message_id)
            leaf = message_id
            while child := chosen_child(connection, conversation_id, leaf):
                leaf = child
            touch(connection, conversation_id, leaf)
            return conversation_of(require_conversation(connection, conversation_id))

    def interrupted(self) -> int:
        """At the start: replies that were being written when the program ended; their text is kept."""
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE message SET state = 'stopped', error = ? WHERE state = 'streaming'", (INTERRUPTED,)
            ).rowcount


def title_from(text: str) -> str:
    """The first line, cut at a word."""
    line = " ".join(text.strip().split("\n", 1)[0].split())
    if len(line) <= TITLE_CHARS:
        return line or UNTITLED
    cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:.-") + "…"


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
    return Conversation(row["id"], row["title"], row["revision"], row["created"], row["updated"], row["active_leaf"])


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
    )


def storable(text: str, field: str) -> str:
    """Raises BadRequest for what is no text: halves of surrogate pairs, and NUL."""
    if text != cleaned(text):
        raise BadRequest("The text holds a NUL or half of a surrogate pair, which are not characters.", field=field)
    return text
