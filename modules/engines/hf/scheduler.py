"""Continuous batching: requests join and leave between steps, and long prompts are read in pieces meanwhile."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

import torch

from modules.engines.hf.adapters import Adapters, Mix
from modules.engines.hf.batch import Batch
from modules.engines.hf.candidates import heads_of
from modules.engines.hf.prefixes import PrefixStore
from modules.engines.hf.sequence import Ending, Sequence, Track
from modules.errors import BadRequest, EngineError, ParlorError
from modules.types.generation import FinishReason

# How long one piece of a prompt may keep the others, and a cancel, waiting.
CHUNK_SECONDS = 0.25
FIRST_CHUNK = 64
CHUNKS = (16, 2048)
# Logits of a whole vocabulary for each token of a piece need their room.
LOGPROBS_CHUNK = 128

Result = TypeVar("Result")


class Pace:
    """How many tokens a pass may compute: it follows the machine and the length of what stands before them."""

    def __init__(self) -> None:
        self.tokens = FIRST_CHUNK

    def learn(self, tokens: int, seconds: float) -> None:
        """From a pass that just ended; small ones say little about large ones."""
        if 2 * tokens > self.tokens:
            wanted = int(tokens * CHUNK_SECONDS / max(seconds, 1e-6))
            self.tokens = max(CHUNKS[0], min(CHUNKS[1], wanted, 2 * self.tokens)) // 16 * 16


class Scheduler:
    """One thread computes. Each turn reads a piece of the oldest unread prompt, then writes a token for all who write.

    Rows: the tracks of those who write hold 0..n-1, those of the one who reads follow; the others wait without a row.
    """

    def __init__(
        self,
        compute: Executor,
        batch: Batch,
        prefixes: PrefixStore,
        adapters: Adapters,
        *,
        slots: int,
        context_length: int,
    ) -> None:
        """`compute` has one thread, on which the model was loaded; it is the scheduler's until `close`."""
        self._batch = batch
        self._slots = slots
        self._prefixes = prefixes
        self._adapters = adapters
        self._context_length = context_length
        self._changed = threading.Condition()
        self._between: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._waiting: deque[Sequence] = deque()
        self._writing: list[Sequence] = []
        # Those of all who write, in the order of their rows.
        self._rows: list[Track] = []
        self._reading: Sequence | None = None
        self._pace = Pace()
        self._closing = False
        self._ended = compute.submit(self._run)

    def add(self, sequence: Sequence) -> None:
        with self._changed:
            self._waiting.append(sequence)
            self._changed.notify()

    def run_between(self, function: Callable[[], Result]) -> Future[Result]:
        """Call `function` on the compute thread between two turns; one turn follows each, so that nobody starves."""
        future: Future[Result] = Future()
        with self._changed:
            self._between.append((function, future))
            self._changed.notify()
        return future

    @property
    def reads_in_pieces(self) -> bool:
        return self._batch.reads_in_pieces

    @property
    def running_mixes(self) -> list[Mix]:
        """Of the requests that are read or written; for functions that run between turns."""
        return [track.mix for sequence in self._running for track in sequence.tracks]

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._ended.result()
        for _, future in self._between:
            future.cancel()

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait_for_work():
                try:
                    self._turn()
                except Exception as error:  # noqa: BLE001 - a fault ends the requests it met, not the engine
                    self._fail_all(error)

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._closing or self._between or self._waiting or self._running):
                self._changed.wait()
            return not self._closing

    @property
    def _running(self) -> list[Sequence]:
        return [*self._writing, *([self._reading] if self._reading else [])]

    def _turn(self) -> None:
        if self._between:
            answer(*self._between.popleft())
        self._drop_cancelled()
        if self._reading is None:
            self._begin_reading()
        if self._reading is not None:
            self._read_piece(self._reading)
        if self._writing:
            self._write_tokens()

    def _drop_cancelled(self) -> None:
        with self._changed:
            left = [sequence for sequence in self._waiting if sequence.cancelled.is_set()]
            for sequence in left:
                self._waiting.remove(sequence)
        for sequence in left:
            sequence.finish("cancelled", self._context_length)
        if self._reading is not None and self._reading.cancelled.is_set():
            self._leave_reading("cancelled")
        for sequence in [one for one in self._writing if one.cancelled.is_set()]:
            self._leave(sequence, "cancelled")

    def _begin_reading(self) -> None:
        sequence = self._next_waiting()
        if sequence is None:
            return
        try:
            mix = self._adapters.mix(sequence.adapters)
            vectors = self._adapters.vectors(mix)
            for track in sequence.tracks:
                track.offset = len(vectors) if vectors is not None else 0
            sequence.check_length(self._context_length)
        except BadRequest as error:
            sequence.fail(error)
            return
        self._reading = sequence
        for row, track in enumerate(sequence.tracks, len(self._rows)):
            track.mix = mix
            if self._batch.reuses_prefixes and not sequence.wants_prompt_logprobs:
                self._reuse_prefix(track, row)
            if vectors is not None and not track.cached:
                self._batch.read_vectors(row, vectors, mix)

    def _next_waiting(self) -> Sequence | None:
        """The oldest, once there are rows for it."""
        with self._changed:
            if not self._waiting or len(self._rows) + len(self._waiting[0].tracks) > self._slots:
                return None
            return self._waiting.popleft()

    def _reuse_prefix(self, track: Track, row: int) -> None:
        # The last token is always computed: its logits choose the next one.
        found = self._prefixes.best(track.tokens[:-1], track.mix)
        if found is not None:
            prefix, shared = found
            self._batch.put_in(row, prefix.states, track.offset + shared)
            track.computed = track.cached = shared

    def _read_piece(self, sequence: Sequence) -> None:
        row, track = next(found for found in enumerate(sequence.tracks, len(self._rows)) if found[1].unread)
        tells = sequence.wants_prompt_logprobs and track is sequence.main
        started = time.perf_counter()
        start = track.computed
        piece = track.tokens[start : start + self._piece_length(track, tells=tells)]
        logits = self._batch.read(row, piece, track.held, track.mix, len(piece) if tells else 1)
        track.computed += len(piece)
        track.ahead = logits[-1:]
        self._pace.learn(len(piece), time.perf_counter() - started)
        sequence.tell_progress()
        if tells:
            sequence.tell_prompt_logprobs(start, logits)
        if any(track.unread for track in sequence.tracks):
            return
        self._reading = None
        self._writing.append(sequence)
        self._rows.extend(sequence.tracks)
        self._settle(sequence, sequence.begin(self._context_length))

    def _piece_length(self, track: Track, *, tells: bool) -> int:
        if not self._batch.reads_in_pieces:
            return track.unread
        return min(self._pace.tokens, LOGPROBS_CHUNK) if tells else self._pace.tokens

    def _write_tokens(self) -> None:
        writing, rows = list(self._writing), list(self._rows)
        guesses = [self._guesses(sequence) for sequence in writing]
        following = {track: guessed for one, guessed in zip(writing, guesses, strict=True) for track in one.tracks}
        logits = self._batch.write(
            [[track.tokens[-1], *following[track]] for track in rows],
            [track.held for track in rows],
            [track.mix for track in rows],
        )
        width = logits.shape[1]
        heads = heads_of(logits.flatten(0, 1))
        row_of = {track: row for row, track in enumerate(rows)}
        for track in rows:
            track.computed += 1
        endings: list[Ending] = []
        for sequence, guessed in zip(writing, guesses, strict=True):
            own = [row_of[track] for track in sequence.tracks]
            first = heads[own[0] * width : (own[0] + 1) * width]
            endings.append(sequence.take([logits[row] for row in own], first, guessed, self._context_length))
        # Last of all: one that leaves makes others change their rows, with all that is computed in them.
        for sequence, ending in zip(writing, endings, strict=True):
            self._settle(sequence, ending)

    def _guesses(self, sequence: Sequence) -> list[int]:
        return sequence.proposed(self._context_length) if self._batch.takes_drafts else []

    def _settle(self, sequence: Sequence, ending: Ending) -> None:
        """A request whose token cannot be chosen fails alone."""
        if isinstance(ending, EngineError):
            self._leave_rows(sequence)
            sequence.fail(ending)
        elif ending is not None:
            self._leave(sequence, ending)

    def _leave(self, sequence: Sequence, reason: FinishReason) -> None:
        for track in sequence.tracks:
            self._keep_prefix(track, self._rows.index(track))
        self._leave_rows(sequence)
        sequence.finish(reason, self._context_length)

    def _leave_reading(self, reason: FinishReason) -> None:
        assert self._reading is not None
        sequence, self._reading = self._reading, None
        for row, track in enumerate(sequence.tracks, len(self._rows)):
            self._keep_prefix(track, row)
            self._batch.clear(row)
        sequence.finish(reason, self._context_length)

    def _keep_prefix(self, track: Track, row: int) -> None:
        if self._batch.reuses_prefixes and track.computed:
            states = self._batch.take_out(row, track.held)
            self._prefixes.keep(track.tokens[: track.computed], track.mix, states)

    def _leave_rows(self, sequence: Sequence) -> None:
        self._writing.remove(sequence)
        for track in sequence.tracks:
            self._leave_row(track)

    def _leave_row(self, track: Track) -> None:
        """Close the gap: the last of those who write moves into it, and what is read moves up."""
        row, last = self._rows.index(track), len(self._rows) - 1
        if row != last:
            self._rows[row] = self._rows[last]
            self._batch.move(last, row, self._rows[row].held)
        self._rows.pop()
        self._batch.clear(last)
        if self._reading is not None:
            for target, read in enumerate(self._reading.tracks, last):
                self._batch.move(target + 1, target, read.held)

    def _fail_all(self, error: Exception) -> None:
        """Nobody knows what a failed pass left in the rows, so all who were in it end."""
        hit = self._running
        self._writing, self._rows, self._reading = [], [], None
        for row in range(self._slots):
            self._batch.clear(row)
        for sequence in hit:
            sequence.fail(explained(error))


def explained(error: Exception) -> ParlorError:
    """What whoever waits for the computing is told."""
    if isinstance(error, ParlorError):
        return error
    if is_out_of_memory(error):
        return EngineError("There is not enough memory for this.")
    return EngineError(f"The model failed: {error}")


def answer(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(function())
    except Exception as error:  # noqa: BLE001 - a fault is for the one who waits, not for the requests
        future.set_exception(explained(error))


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "alloc" in str(error).lower()
