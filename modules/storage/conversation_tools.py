"""Which tools each conversation has, and which of them need not ask any more there."""

import json

from modules.storage.database import Database
from modules.types.tools import ChosenTools


class ConversationTools:
    """Any thread may call. What a conversation chose goes with it when it is removed for good."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, conversation_id: str) -> ChosenTools:
        """None are on where nothing was chosen."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT mode, chosen, always FROM conversation_tools WHERE conversation_id = ?", (conversation_id,)
            ).fetchone()
        if row is None:
            return ChosenTools()
        return ChosenTools(tuple(json.loads(row["chosen"])), row["mode"], tuple(json.loads(row["always"])))

    def put(self, conversation_id: str, tools: ChosenTools) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO conversation_tools (conversation_id, mode, chosen, always) VALUES (?, ?, ?, ?)",
                (conversation_id, tools.mode, json.dumps(tools.ids), json.dumps(tools.always)),
            )
