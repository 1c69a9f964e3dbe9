"""Passages found by their words and by their meaning, both added up."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .store import Store, StoredPassage, WindowVectors
from .words import content_words, without_names, words_to_find

Matrix = NDArray[np.float32]
# A vector of each text, or None where there is no model that makes them, or not in time.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]] | None]

# Of each ranking; further down there is nothing that the other one could lift up to the first few.
CANDIDATES = 60
# What a point of BM25, of which good passages have 5 to 20, adds to how near they are. Measured by
# tests/benchmarks/retrieval: more finds names better, less finds other words better. Fusing ranks was no better where
# names decide, and it takes the first of many poor matches for a good one.
WORDS_WEIGHT = 0.007
# How much of a question is what it says of its names, which words find already: all else that is said of somebody would
# be nearer than the answer in other words. Measured there too: made up 0.896 -> 0.925, real texts as before.
NAMELESS_WEIGHT = 0.4


@dataclass(frozen=True)
class Found:
    """`by_meaning` is how near question and passage are, at most 1, None when only words were compared."""

    passage: StoredPassage
    by_meaning: float | None


@dataclass(frozen=True)
class Vectors:
    """Of all passages at one moment: the windows of passage n are the rows of `matrix` from `starts[n]` on, and its row
    of `wholes` is their mean, of length 1."""

    changes: int
    ids: NDArray[np.int64]
    collections: NDArray[np.int64]
    starts: NDArray[np.int64]
    matrix: Matrix
    wholes: Matrix


class Search:
    """Vectors stay in memory, 4 bytes a number, until passages change. Any thread may call."""

    def __init__(self, store: Store, embed: Embed) -> None:
        self._store = store
        self._embed = embed
        self._lock = threading.Lock()
        self._vectors: Vectors | None = None

    def find(self, question: str, collection_ids: Collection[int], limit: int) -> list[Found]:
        """Best first, from these collections."""
        by_words = self._store.match(words_to_find(question), collection_ids, CANDIDATES)
        by_meaning = self._by_meaning(question, collection_ids, by_words)
        best = fused(by_words, by_meaning)[:limit]
        return [Found(one, by_meaning.get(one.id)) for one in self._store.passages(best)]

    def warm_up(self) -> None:
        """What the first question would wait for."""
        self._current()

    def _by_meaning(
        self, question: str, collection_ids: Collection[int], by_words: Collection[int]
    ) -> dict[int, float]:
        """How near those are that are nearest, and those found by words; empty without vectors."""
        vectors = self._current()
        wanted = np.isin(vectors.collections, list(collection_ids))
        if not wanted.any() or (vector := self._vector(question)) is None:
            return {}
        if len(vector) != vectors.matrix.shape[1]:
            return {}
        near = nearness(vectors, vector)
        near[~wanted] = -np.inf
        nearest = np.argsort(-near)[: min(CANDIDATES, int(wanted.sum()))]
        places = {*nearest.tolist(), *np.flatnonzero(np.isin(vectors.ids, list(by_words))).tolist()}
        return {int(vectors.ids[place]): float(near[place]) for place in places}

    def _vector(self, question: str) -> Matrix | None:
        """Of length 1."""
        nameless = without_names(question)
        asked = self._embed([question, nameless] if content_words(nameless) else [question])
        if asked is None:
            return None
        whole, *others = np.asarray(asked, np.float32)
        vector = whole + NAMELESS_WEIGHT * (others[0] - whole) if others else whole
        return vector / np.linalg.norm(vector)

    def _current(self) -> Vectors:
        with self._lock:
            changes = self._store.vector_changes
            if self._vectors is None or self._vectors.changes != changes:
                self._vectors = read_vectors(self._store, changes)
            return self._vectors


def nearness(vectors: Vectors, asked: Matrix) -> Matrix:
    """Of each passage: the mean of the cosines of its nearest window and of the whole, so that what is about the
    question wins over what has one sentence like it."""
    nearest = np.maximum.reduceat(cosines(vectors.matrix, asked), vectors.starts)
    return np.asarray((nearest + cosines(vectors.wholes, asked)) / 2, np.float32)


def cosines(rows: Matrix, asked: Matrix) -> Matrix:
    """Of vectors of length 1. As fast as `@`, whose threads go on waiting busily, and the worker that embeds the next
    question then waits up to 0.1 s for a processor."""
    return np.einsum("ij,j->i", rows, asked)


def read_vectors(store: Store, changes: int) -> Vectors:
    rows = store.vectors()
    counts = np.array([0, *(row.vectors.count for row in rows)], np.int64)
    starts = np.cumsum(counts)[:-1]
    matrix = unpacked([row.vectors for row in rows])
    return Vectors(
        changes,
        np.array([row.passage_id for row in rows], np.int64),
        np.array([row.collection_id for row in rows], np.int64),
        starts,
        matrix,
        means(matrix, starts),
    )


def means(matrix: Matrix, starts: NDArray[np.int64]) -> Matrix:
    """Of the rows from each start to the next, of length 1 again."""
    if not len(starts):
        return matrix
    sums = np.add.reduceat(matrix, starts)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def packed(vectors: Sequence[Sequence[float]]) -> WindowVectors:
    """As they are stored: 2 bytes a number, which changes a cosine by less than 0.001."""
    return WindowVectors(len(vectors), np.asarray(vectors, np.float16).tobytes())


def unpacked(stored: Sequence[WindowVectors]) -> Matrix:
    """A row for each window, in order."""
    count = sum(one.count for one in stored)
    numbers = np.frombuffer(b"".join(one.content for one in stored), np.float16)
    return numbers.astype(np.float32).reshape(count, -1) if count else np.zeros((0, 0), np.float32)


def fused(by_words: Mapping[int, float], by_meaning: Mapping[int, float]) -> list[int]:
    """Best first. A passage whose vector is still to come counts as near as others with these words are."""
    known = [by_meaning[one] for one in by_words if one in by_meaning]
    unknown = sum(known) / len(known) if known else 0.0
    scores = {
        one: by_meaning.get(one, unknown) + WORDS_WEIGHT * by_words.get(one, 0.0) for one in {**by_words, **by_meaning}
    }
    return sorted(scores, key=lambda one: -scores[one])
