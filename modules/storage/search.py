"""Finding conversations by words: through the index where SQLite has one, by reading everything elsewhere."""

import sqlite3


def search_index(connection: sqlite3.Connection, terms: list[str], limit: int) -> list[sqlite3.Row]:
    """Each term is quoted, so that nothing a person types is query syntax.

    Conversations are chosen among all hits, so that one long or deleted conversation cannot crowd out the others; the
    snippet is of the best message, and empty where only the title holds the words.
    """
    query = " ".join('"' + term.replace('"', '""') + '"*' for term in terms)
    return connection.execute(
        """
        WITH hit AS MATERIALIZED (
            SELECT rowid AS entry, conversation_id, place, rank AS badness FROM search WHERE search MATCH :query
        ), message_hit AS MATERIALIZED (
            SELECT conversation_id, entry, min(badness) FROM hit WHERE place > 0 GROUP BY conversation_id
        ), chosen AS MATERIALIZED (
            SELECT conversation.*, best.badness, message_hit.entry
            FROM (SELECT conversation_id, min(badness) AS badness FROM hit GROUP BY conversation_id) AS best
            JOIN conversation ON conversation.id = best.conversation_id AND conversation.deleted IS NULL
            LEFT JOIN message_hit ON message_hit.conversation_id = best.conversation_id
            ORDER BY best.badness LIMIT :limit
        ), excerpt AS MATERIALIZED (
            SELECT rowid AS entry, snippet(search, 0, char(2), char(3), '…', 12) AS snippet FROM search
            WHERE search MATCH :query AND +rowid IN (SELECT entry FROM chosen)
        )
        SELECT chosen.*, coalesce(excerpt.snippet, '') AS snippet
        FROM chosen LEFT JOIN excerpt ON excerpt.entry = chosen.entry ORDER BY chosen.badness
        """,
        {"query": query, "limit": limit},
    ).fetchall()


def search_plainly(connection: sqlite3.Connection, terms: list[str], limit: int) -> list[sqlite3.Row]:
    patterns = ["%" + term.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%" for term in terms]
    holds = " AND ".join("text.body LIKE ? ESCAPE '!'" for _ in patterns)
    return connection.execute(
        f"""
        SELECT conversation.*, '' AS snippet FROM conversation WHERE deleted IS NULL AND id IN (
            SELECT id FROM (
                SELECT conversation_id AS id, content AS body FROM message
                UNION ALL SELECT id, title AS body FROM conversation
            ) AS text WHERE {holds}
        ) ORDER BY updated DESC LIMIT ?
        """,
        (*patterns, limit),
    ).fetchall()
