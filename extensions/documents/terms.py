"""Terms in the full-text index, and how well passages match them among the collections that are searched.

FTS5's own bm25() counts all passages there are; a second collection would change the order in the first one.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

# `porter` finds words by their stems.
TOKENIZER = "tokenize='porter unicode61 remove_diacritics 2'"
# The index's terms with the places where they stand, and a table for what a question's words become as terms.
TERMS = f"""
CREATE VIRTUAL TABLE temp.passages_terms USING fts5vocab(main, passages_fts, 'instance');
CREATE VIRTUAL TABLE temp.asked USING fts5(word, content='', {TOKENIZER});
CREATE VIRTUAL TABLE temp.asked_terms USING fts5vocab(temp, asked, 'instance');
"""
# Words from this length on also find those they begin: portal, portals, portalling.
PREFIX = 6
# What stands in a heading counts half.
HEADING_WEIGHT = 0.5
# The usual ones of BM25: how soon more of a word adds nothing, and how much long passages must hold more of it.
SATURATION = 1.2
LENGTH_SHARE = 0.75
# Of a term that most passages have: it still finds them.
LEAST_WEIGHT = 1e-6
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Term:
    """With `begins`, all terms that begin with `text`."""

    text: str
    begins: bool


@dataclass(frozen=True)
class Extent:
    """Of all passages that are searched."""

    passages: int
    mean_characters: float


@dataclass(frozen=True)
class Occurrences:
    """Of a term in one passage."""

    count: float
    characters: int


def terms(connection: sqlite3.Connection, words: Sequence[str]) -> list[Term]:
    """What the index calls these words, each once; one that it takes apart becomes several."""
    connection.executemany("INSERT INTO temp.asked (rowid, word) VALUES (?, ?)", list(enumerate(words)))
    rows = connection.execute("SELECT term, doc FROM temp.asked_terms ORDER BY doc, offset").fetchall()
    connection.execute("INSERT INTO temp.asked (asked) VALUES ('delete-all')")
    found = ((Term(row["term"], begins), words[row["doc"]]) for row in rows for begins in (False, True))
    return list(dict.fromkeys(term for term, word in found if not term.begins or len(word) >= PREFIX))


def extent(connection: sqlite3.Connection, collection_ids: Collection[int]) -> Extent:
    row = connection.execute(
        "SELECT count(*) AS passages, avg(length(p.text)) AS mean FROM passages p "
        f"JOIN documents d ON d.id = p.document_id WHERE d.collection_id IN ({marks(collection_ids)})",
        tuple(collection_ids),
    ).fetchone()
    return Extent(row["passages"], row["mean"] or 1.0)


def occurrences(connection: sqlite3.Connection, term: Term, collection_ids: Collection[int]) -> dict[int, Occurrences]:
    """By passage."""
    last = term.text + LAST_CHARACTER if term.begins else term.text
    rows = connection.execute(
        "SELECT p.id, found.count, length(p.text) AS characters FROM ("
        "SELECT doc, sum(CASE col WHEN 'heading' THEN ? ELSE 1.0 END) AS count FROM temp.passages_terms "
        "WHERE term BETWEEN ? AND ? GROUP BY doc"
        ") found JOIN passages p ON p.id = found.doc JOIN documents d ON d.id = p.document_id "
        f"WHERE d.collection_id IN ({marks(collection_ids)})",
        (HEADING_WEIGHT, term.text, last, *collection_ids),
    )
    return {row["id"]: Occurrences(row["count"], row["characters"]) for row in rows}


def bm25(found: Mapping[int, Occurrences], texts: Extent) -> dict[int, float]:
    """What one term adds, by passage; `found` are all that have it."""
    weight = max(log((texts.passages - len(found) + 0.5) / (len(found) + 0.5)), LEAST_WEIGHT)
    return {passage: weight * saturated(one, texts) for passage, one in found.items()}


def saturated(one: Occurrences, texts: Extent) -> float:
    longer = 1 - LENGTH_SHARE + LENGTH_SHARE * one.characters / texts.mean_characters
    return one.count * (SATURATION + 1) / (one.count + SATURATION * longer)


def marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
