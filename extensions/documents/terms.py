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
class Searched:
    """How many characters each passage has that is searched."""

    characters: Mapping[int, int]
    mean: float


def terms(connection: sqlite3.Connection, words: Sequence[str]) -> list[Term]:
    """What the index calls these words, each once; one that it takes apart becomes several."""
    connection.executemany("INSERT INTO temp.asked (rowid, word) VALUES (?, ?)", list(enumerate(words)))
    rows = connection.execute("SELECT term, doc FROM temp.asked_terms ORDER BY doc, offset").fetchall()
    connection.execute("INSERT INTO temp.asked (asked) VALUES ('delete-all')")
    found = ((Term(row["term"], begins), words[row["doc"]]) for row in rows for begins in (False, True))
    return list(dict.fromkeys(term for term, word in found if not term.begins or len(word) >= PREFIX))


def searched(connection: sqlite3.Connection, collection_ids: Collection[int]) -> Searched:
    rows = connection.execute(
        "SELECT p.id, length(p.text) AS characters FROM documents d JOIN passages p ON p.document_id = d.id "
        f"WHERE d.collection_id IN ({marks(collection_ids)})",
        tuple(collection_ids),
    ).fetchall()
    characters = {row["id"]: row["characters"] for row in rows}
    return Searched(characters, max(1.0, sum(characters.values()) / max(1, len(characters))))


def occurrences(connection: sqlite3.Connection, term: Term) -> dict[int, float]:
    """How often each passage of any collection has it."""
    last = term.text + LAST_CHARACTER if term.begins else term.text
    rows = connection.execute(
        "SELECT doc, sum(CASE col WHEN 'heading' THEN ? ELSE 1.0 END) AS count FROM temp.passages_terms "
        "WHERE term BETWEEN ? AND ? GROUP BY doc",
        (HEADING_WEIGHT, term.text, last),
    )
    return {row["doc"]: row["count"] for row in rows}


def bm25(counts: Mapping[int, float], texts: Searched) -> dict[int, float]:
    """What one term adds to the points of each passage that is searched and has it."""
    own = {passage: count for passage, count in counts.items() if passage in texts.characters}
    weight = max(log((len(texts.characters) - len(own) + 0.5) / (len(own) + 0.5)), LEAST_WEIGHT)
    steepness = SATURATION * LENGTH_SHARE / texts.mean if own else 0.0
    least = SATURATION * (1 - LENGTH_SHARE)
    return {
        passage: weight * count * (SATURATION + 1) / (count + least + steepness * texts.characters[passage])
        for passage, count in own.items()
    }


def marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
