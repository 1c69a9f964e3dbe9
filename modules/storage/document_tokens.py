"""The tokens of generated versions in the database, and where they stand in a text."""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import exp
from operator import itemgetter
from typing import Any

from modules.errors import NotFound
from modules.types.document import TYPED, Origin, TokenRun, TracedText, WrittenToken
from modules.types.generation import TokenChoice, TokenLogprob


def add_tokens(connection: sqlite3.Connection, version: int, tokens: Sequence[WrittenToken], first: int) -> None:
    """The first of them is number `first` of that version."""
    connection.executemany(
        "INSERT OR REPLACE INTO document_token (version, place, start, length, logprob, choices) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (version, first + place, one.start, one.length, one.token.chosen.logprob, choices_text(one.token))
            for place, one in enumerate(tokens)
        ],
    )


def token_at(connection: sqlite3.Connection, document_id: str, version: int, place: int) -> WrittenToken:
    """Raises NotFound."""
    row = connection.execute(
        "SELECT document_token.* FROM document_token JOIN document_version ON document_version.id = version "
        "WHERE document_id = ? AND version = ? AND place = ?",
        (document_id, version, place),
    ).fetchone()
    if row is None:
        raise NotFound("Nothing is known of this token.", field="index")
    chosen, *alternatives = (choice_of(stored) for stored in json.loads(row["choices"]))
    return WrittenToken(row["start"], row["length"], TokenLogprob(chosen, tuple(alternatives)))


def token_runs(connection: sqlite3.Connection, traced: TracedText) -> list[TokenRun]:
    """All tokens that stand whole in the text, in its order."""
    stored = {
        version: connection.execute(
            "SELECT place, start, length, logprob FROM document_token WHERE version = ? ORDER BY place", (version,)
        ).fetchall()
        for version in {origin.version for origin in traced.origins} - {TYPED}
    }
    runs: list[TokenRun] = []
    place = 0
    for origin in traced.origins:
        runs += runs_within(origin, place, stored.get(origin.version, []))
        place += origin.length
    return runs


def runs_within(origin: Origin, place: int, tokens: list[sqlite3.Row]) -> Iterator[TokenRun]:
    """Of one piece that begins at `place` of the text; `tokens` are all of its version."""
    end = origin.start + origin.length
    first = bisect_left(tokens, origin.start, key=itemgetter("start"))
    inside: list[sqlite3.Row] = []
    for token in tokens[first:]:
        if token["start"] >= end:
            break
        if token["start"] + token["length"] <= end:
            inside.append(token)
    # Side by side are those between which no character is missing, so the sum of lengths keeps step with the start.
    steps = [0]
    for token in inside:
        steps.append(steps[-1] + token["length"])
    for _, numbered in groupby(enumerate(inside), key=lambda pair: pair[1]["start"] - steps[pair[0]]):
        run = [token for _, token in numbered]
        yield TokenRun(
            origin.version,
            run[0]["place"],
            place + run[0]["start"] - origin.start,
            tuple(token["length"] for token in run),
            tuple(probability(token["logprob"]) for token in run),
        )


def probability(logprob: float | None) -> float:
    return 0.0 if logprob is None else round(min(exp(logprob), 1.0), 4)


def choices_text(token: TokenLogprob) -> str:
    """The chosen token, then its alternatives."""
    return json.dumps(
        [[one.id, one.token, one.logprob, bytes(one.token_bytes).hex()] for one in (token.chosen, *token.alternatives)],
        ensure_ascii=False,
        separators=(",", ":"),
    )


def choice_of(stored: list[Any]) -> TokenChoice:
    token_id, text, logprob, encoded = stored
    return TokenChoice(text, logprob, tuple(bytes.fromhex(encoded)), token_id)
