"""Finding things by words: through the index where SQLite has one, by reading everything elsewhere."""

import sqlite3
from dataclasses import dataclass

MOST_TERMS = 20


@dataclass(frozen=True)
class Searched:
    """What is looked for: rows of `table`, each with an id, `updated` and `deleted`.

    `texts` selects the id and the body of all texts that belong to one of them, its title included.
    """

    table: str
    texts: str


CONVERSATIONS = Searched(
    "conversation",
    "SELECT conversation_id AS id, content AS body FROM message UNION ALL SELECT id, title AS body FROM conversation",
)
DOCUMENTS = Searched(
    "document",
    "SELECT document_id AS id, body FROM document_text UNION ALL SELECT document_id AS id, title FROM document_text",
)


def found(
    connection: sqlite3.Connection, searched: Searched, words: str, limit: int, *, has_index: bool
) -> list[sqlite3.Row]:
    """The rows where one text holds all words, each as a beginning, best first; `snippet` is empty or of that text."""
    terms = [term for term in words.replace("\0", " ").split() if any(map(str.isalnum, term))][:MOST_TERMS]
    if not terms:
        return []
    search = search_index if has_index else search_plainly
    return search(connection, searched, terms, limit)


def search_index(connection: sqlite3.Connection, searched: Searched, terms: list[str], limit: int) -> list[sqlite3.Row]:
    """Each term is quoted, so that nothing a person types is query syntax.

    Owners are chosen among all hits, so that one long or deleted conversation cannot crowd out the others; the snippet
    is of the best text, and empty where only the title holds the words.
    """
    query = " ".join('"' + term.replace('"', '""') + '"*' for term in terms)
    return connection.execute(
        f"""
        WITH hit AS MATERIALIZED (
            SELECT rowid AS entry, owner, place, rank AS badness FROM search WHERE search MATCH :query
        ), text_hit AS MATERIALIZED (
            SELECT owner, entry, min(badness) FROM hit WHERE place > 0 GROUP BY owner
        ), chosen AS MATERIALIZED (
            SELECT owned.*, best.badness, text_hit.entry
            FROM (SELECT owner, min(badness) AS badness FROM hit GROUP BY owner) AS best
            JOIN {searched.table} AS owned ON owned.id = best.owner AND owned.deleted IS NULL
            LEFT JOIN text_hit ON text_hit.owner = best.owner
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


def search_plainly(
    connection: sqlite3.Connection, searched: Searched, terms: list[str], limit: int
) -> list[sqlite3.Row]:
    patterns = ["%" + term.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%" for term in terms]
    holds = " AND ".join("text.body LIKE ? ESCAPE '!'" for _ in patterns)
    return connection.execute(
        f"""
        SELECT owned.*, '' AS snippet FROM {searched.table} AS owned WHERE deleted IS NULL AND id IN (
            SELECT id FROM ({searched.texts}) AS text WHERE {holds}
        ) ORDER BY updated DESC LIMIT ?
        """,
        (*patterns, limit),
    ).fetchall()
