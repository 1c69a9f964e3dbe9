"""Conversations in the database: a tree of messages each, of which the path to the active leaf is shown."""

import json
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.storage.conversation_rows import (
    CALLS,
    SHOWN,
    chosen_child,
    conversation_of,
    insert_message,
    message_of,
    require_conversation,
    require_message,
    require_parent,
    require_revision,
    siblings_by_parent,
    touch,
)
from modules.storage.database import Database, cleaned, storable
from modules.storage.folder_names import as_folder, moved_folders, with_outer
from modules.storage.search import CONVERSATIONS, found
from modules.types.conversation import Conversation, MessageState, SearchHit, StoredMessage
from modules.types.tools import CallRecord

TITLE_CHARS = 48
MOST_IN_FOLDERS = 2000
UNTITLED = "New chat"
# As Markdown marks one.
HEADING = re.compile(r"^#{1,6}\s+")
INTERRUPTED = "The program ended while this was being written."


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

    def listed(self, loose: int = 200) -> list[Conversation]:
        """Newest first: those in folders, and as many of the others."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"""
                SELECT * FROM (
                    SELECT {SHOWN} FROM conversation WHERE deleted IS NULL AND folder = ''
                    ORDER BY updated DESC LIMIT ?
                )
                UNION ALL
                SELECT * FROM (
                    SELECT {SHOWN} FROM conversation WHERE deleted IS NULL AND folder <> ''
                    ORDER BY updated DESC LIMIT ?
                )
                ORDER BY updated DESC
                """,
                (loose, MOST_IN_FOLDERS),
            ).fetchall()
        return [conversation_of(row) for row in rows]

    def folders(self) -> list[str]:
        """All that hold conversations, with those around them, in the order of their names."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT folder FROM conversation WHERE deleted IS NULL").fetchall()
        return with_outer(row["folder"] for row in rows)

    def move(self, conversation_id: str, folder: str) -> Conversation:
        with self._database.transaction() as connection:
            require_conversation(connection, conversation_id)
            connection.execute("UPDATE conversation SET folder = ? WHERE id = ?", (as_folder(folder), conversation_id))
            return conversation_of(require_conversation(connection, conversation_id))

    def move_folder(self, folder: str, new_folder: str) -> None:
        """Every conversation in it or in a folder in it; nothing stays behind."""
        with self._database.transaction() as connection:
            folders = [row["folder"] for row in connection.execute("SELECT DISTINCT folder FROM conversation")]
            for old, new in moved_folders(folders, folder, new_folder).items():
                connection.execute("UPDATE conversation SET folder = ? WHERE folder = ?", (new, old))

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

    def has(self, conversation_id: str) -> bool:
        """Also one that is hidden."""
        with self._database.read() as connection:
            found = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (conversation_id,))
            return found.fetchone() is not None

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

    def append_reply(
        self, conversation_id: str, parent_id: str, model: str, revision: int, content: str | None = None
    ) -> StoredMessage:
        """Another version of the reply to the message `parent_id`, still to be written unless `content` is given."""
        with self._database.transaction() as connection:
            require_revision(connection, conversation_id, revision)
            require_parent(connection, conversation_id, parent_id)
            reply = insert_message(
                *(connection, conversation_id, parent_id, "assistant"),
                content=content or "",
                state="streaming" if content is None else "complete",
                model=model,
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
        calls: Sequence[CallRecord] = (),
    ) -> None:
        """What a reply says so far, or finally. Replies come from engines, so odd characters are replaced."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE message SET content = ?, reasoning = ?, state = ?, error = ?, stats = ?, calls = ? "
                "WHERE id = ?",
                (
                    *(cleaned(content), cleaned(reasoning), state, cleaned(error), json.dumps(stats or {})),
                    *(stored_calls(calls), message_id),
                ),
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
        """At the start: replies that were being written when the program ended; their text is kept.

        Calls of theirs that waited or ran have ended with it.
        """
        with self._database.transaction() as connection:
            for row in connection.execute(
                "SELECT id, calls FROM message WHERE state = 'streaming' AND calls <> '[]'"
            ).fetchall():
                calls = CALLS.validate_json(row["calls"])
                ended = [one if one.has_ended else replace(one, state="interrupted") for one in calls]
                connection.execute("UPDATE message SET calls = ? WHERE id = ?", (stored_calls(ended), row["id"]))
            return connection.execute(
                "UPDATE message SET state = 'stopped', error = ? WHERE state = 'streaming'", (INTERRUPTED,)
            ).rowcount


def stored_calls(calls: Sequence[CallRecord]) -> str:
    """As JSON; what tools and models said may hold anything."""
    return cleaned(json.dumps([asdict(call) for call in calls], ensure_ascii=False))


def title_from(text: str) -> str:
    """The first line, without the marks of a heading, cut at a word."""
    line = " ".join(HEADING.sub("", text.strip()).split("\n", 1)[0].split())
    if len(line) <= TITLE_CHARS:
        return line or UNTITLED
    cut = line[:TITLE_CHARS].rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:.-") + "…"
