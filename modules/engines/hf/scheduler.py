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
from modules.engines.hf.sequence import Ending, Sequence
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

    Rows: those who write hold 0..n-1, the one who reads holds n; the others wait without a row.
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
    def running_mixes(self) -> list[Mix]:
        """Of the requests that are read or written; for functions that run between turns."""
        return [sequence.mix for sequence in self._running]

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
        """In the order of their rows."""
        return [*self._writing, *([self._reading] if self._reading else [])]

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
            sequence = self._waiting.popleft() if self._waiting else None
        if sequence is None:
            return
        try:
            sequence.mix = self._adapters.mix(sequence.adapters)
        except BadRequest as error:
            sequence.fail(error)
            return
        self._reading = sequence
        if not self._batch.reuses_prefixes or sequence.wants_prompt_logprobs:
            return
        # The last token is always computed: its logits choose the next one.
        found = self._prefixes.best(sequence.tokens[:-1], sequence.mix)
        if found is not None:
            prefix, shared = found
            self._batch.put_in(len(self._writing), prefix.states, shared)
            sequence.computed = sequence.cached = shared

    def _read_piece(self, sequence: Sequence) -> None:
        started = time.perf_counter()
        start = sequence.computed
        piece = sequence.tokens[start : start + self._piece_length(sequence)]
        keep = len(piece) if sequence.wants_prompt_logprobs else 1
        logits = self._batch.read(len(self._writing), piece, start, sequence.mix, keep)
        sequence.computed += len(piece)
        self._pace.learn(len(piece), time.perf_counter() - started)
        sequence.tell_progress()
        if sequence.wants_prompt_logprobs:
            sequence.tell_prompt_logprobs(start, logits)
        if sequence.unread:
            return
        if not sequence.wants_text:
            self._leave_reading("length")
            return
        self._reading = None
        self._writing.append(sequence)
        last = logits[-1:]
        self._settle(sequence, sequence.take(last, heads_of(last), [], self._context_length))

    def _piece_length(self, sequence: Sequence) -> int:
        if not self._batch.reads_in_pieces:
            return sequence.unread
        return min(self._pace.tokens, LOGPROBS_CHUNK) if sequence.wants_prompt_logprobs else self._pace.tokens

    def _write_tokens(self) -> None:
        writing = list(self._writing)
        guesses = [self._guesses(sequence) for sequence in writing]
        tokens = [[sequence.tokens[-1], *guessed] for sequence, guessed in zip(writing, guesses, strict=True)]
        places = [sequence.computed for sequence in writing]
        logits = self._batch.write(tokens, places, [sequence.mix for sequence in writing])
        width = logits.shape[1]
        heads = heads_of(logits.flatten(0, 1))
        endings: list[Ending] = []
        for row, (sequence, guessed) in enumerate(zip(writing, guesses, strict=True)):
            sequence.computed += 1
            own = heads[row * width : (row + 1) * width]
            endings.append(sequence.take(logits[row], own, guessed, self._context_length))
        # Last of all: one that leaves makes others change their rows, with all that is computed in them.
        for sequence, ending in zip(writing, endings, strict=True):
            self._settle(sequence, ending)

    def _guesses(self, sequence: Sequence) -> list[int]:
        return sequence.proposed(self._context_length) if self._batch.takes_drafts else []

    def _settle(self, sequence: Sequence, ending: Ending) -> None:
        """A request whose token cannot be chosen fails alone."""
        if isinstance(ending, EngineError):
            self._leave_row(sequence)
            sequence.fail(ending)
        elif ending is not None:
            self._leave(sequence, ending)

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
            states = self._batch.take_out(row, sequence.computed)
            self._prefixes.keep(sequence.tokens[: sequence.computed], sequence.mix, states)

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
        hit = self._running
        self._writing, self._reading = [], None
        for row in range(len(hit)):
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
