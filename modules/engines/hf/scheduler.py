"""Continuous batching: requests join and leave between steps, and long prompts are read in pieces meanwhile."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import torch

from modules.engines.hf.batch import Batch
from modules.engines.hf.prefixes import PrefixStore
from modules.engines.hf.sequence import Sequence
from modules.errors import EngineError
from modules.types.generation import FinishReason

# How long one piece of a prompt may keep the others, and a cancel, waiting.
CHUNK_SECONDS = 0.25
FIRST_CHUNK = 64
CHUNKS = (16, 2048)


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

    Rows: those who write hold 0..n-1, the one who reads holds n; the others wait without a row.
    """

    def __init__(
        self, compute: Executor, batch: Batch, prefixes: PrefixStore, *, slots: int, context_length: int
    ) -> None:
        """`compute` has one thread, on which the model was loaded; it is the scheduler's until `close`."""
        self._batch = batch
        self._slots = slots
        self._prefixes = prefixes
        self._context_length = context_length
        self._changed = threading.Condition()
        self._waiting: deque[Sequence] = deque()
        self._writing: list[Sequence] = []
        self._reading: Sequence | None = None
        self._between: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._pace = Pace()
        self._closing = False
        self._ended = compute.submit(self._run)

    def add(self, sequence: Sequence) -> None:
        with self._changed:
            self._waiting.append(sequence)
            self._changed.notify()

    def run_between(self, function: Callable[[], Any]) -> Future[Any]:
        """Call `function` on the compute thread between two turns; one turn follows each, so that nobody starves."""
        future: Future[Any] = Future()
        with self._changed:
            self._between.append((function, future))
            self._changed.notify()
        return future

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
            while not (self._closing or self._between or self._waiting or self._writing or self._reading):
                self._changed.wait()
            return not self._closing

    def _turn(self) -> None:
        if self._between:
            answer(*self._between.popleft())
        self._drop_cancelled()
        if self._reading is None and len(self._writing) < self._slots:
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
        with self._changed:
            self._reading = self._waiting.popleft() if self._waiting else None
        if self._reading is None or not self._batch.reuses_prefixes:
            return
        # The last token is always computed: its logits choose the next one.
        found = self._prefixes.best(self._reading.tokens[:-1])
        if found is not None:
            prefix, shared = found
            self._batch.put_in(len(self._writing), prefix.states, shared)
            self._reading.computed = self._reading.cached = shared

    def _read_piece(self, sequence: Sequence) -> None:
        started = time.perf_counter()
        length = self._pace.tokens if self._batch.reads_in_pieces else sequence.unread
        piece = sequence.tokens[sequence.computed : sequence.computed + length]
        logits = self._batch.read(len(self._writing), piece, sequence.computed)
        sequence.computed += len(piece)
        self._pace.learn(len(piece), time.perf_counter() - started)
        sequence.tell_progress()
        if sequence.unread:
            return
        self._reading = None
        self._writing.append(sequence)
        self._take(sequence, logits)

    def _write_tokens(self) -> None:
        writing = list(self._writing)
        tokens = [sequence.tokens[-1] for sequence in writing]
        logits = self._batch.write(tokens, [sequence.computed for sequence in writing])
        # First of all of them: one that leaves makes others change their rows, with all that is in them.
        for sequence in writing:
            sequence.computed += 1
        for sequence, row in zip(writing, logits, strict=True):
            self._take(sequence, row)

    def _take(self, sequence: Sequence, logits: torch.Tensor) -> None:
        """A request whose token cannot be chosen fails alone."""
        try:
            reason = sequence.take(logits, self._context_length)
        except EngineError as error:
            self._leave_row(sequence)
            sequence.fail(error)
            return
        if reason is not None:
            self._leave(sequence, reason)

    def _leave(self, sequence: Sequence, reason: FinishReason) -> None:
        self._keep_prefix(sequence, self._writing.index(sequence))
        self._leave_row(sequence)
        sequence.finish(reason, self._context_length)

    def _leave_reading(self, reason: FinishReason) -> None:
        assert self._reading is not None
        sequence, self._reading = self._reading, None
        self._keep_prefix(sequence, len(self._writing))
        self._batch.clear(len(self._writing))
        sequence.finish(reason, self._context_length)

    def _keep_prefix(self, sequence: Sequence, row: int) -> None:
        if self._batch.reuses_prefixes and sequence.computed:
            self._prefixes.keep(sequence.tokens[: sequence.computed], self._batch.take_out(row, sequence.computed))

    def _leave_row(self, sequence: Sequence) -> None:
        """Close the gap: the last of those who write moves into it, and the one who reads moves up."""
        row, last = self._writing.index(sequence), len(self._writing) - 1
        if row != last:
            self._writing[row] = self._writing[last]
            self._batch.move(last, row, self._writing[row].computed)
        self._writing.pop()
        self._batch.clear(last)
        if self._reading is not None:
            self._batch.move(last + 1, last, self._reading.computed)

    def _fail_all(self, error: Exception) -> None:
        """Nobody knows what a failed pass left in the rows, so all who were in it end."""
        hit = [*self._writing, *([self._reading] if self._reading else [])]
        self._writing, self._reading = [], None
        for row in range(len(hit)):
            self._batch.clear(row)
        message = "There is not enough memory for this." if is_out_of_memory(error) else f"The model failed: {error}"
        for sequence in hit:
            sequence.fail(EngineError(message))


def answer(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(function())
    except Exception as error:  # noqa: BLE001 - a fault is for the one who waits, not for the requests
        future.set_exception(error)


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "alloc" in str(error).lower()
