"""A loaded model with its queue: requests wait here, never inside the engine, where nobody could cancel them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from modules.engines.adapters import LoadedAdapters
from modules.engines.budget import Memory
from modules.engines.generation import Generation
from modules.engines.process import EngineProcess
from modules.engines.protocol import Capabilities
from modules.engines.uses import Uses
from modules.engines.wish import Wish
from modules.engines.worker_memory import WorkerMemory
from modules.errors import Busy, WorkerDied
from modules.limits import LIMITS
from modules.replies.pipeline import ReplyPipeline
from modules.types.call_formats import format_named
from modules.types.embeddings import Embeddings
from modules.types.generation import (
    Event,
    Failed,
    Finished,
    GenerationRequest,
    Progress,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from modules.types.local_model import LocalModel
from modules.types.messages import Message


@dataclass(frozen=True)
class Workload:
    """How busy a model is: counts of requests, and of tokens evaluated since it was loaded."""

    running: int
    queued: int
    tokens_evaluated: int


class LoadedModel:
    """Hands the engine at most as many requests as it has slots, in the order they came. Any thread may call.

    `uses` are shared with those who waited for it to be loaded.
    """

    def __init__(self, wish: Wish, process: EngineProcess, capabilities: Capabilities, uses: Uses) -> None:
        self.wish = wish
        self.process = process
        self.capabilities = capabilities
        self.uses = uses
        self.measured = WorkerMemory(process.pid)
        self.adapters = LoadedAdapters(process, wish.engine, supported=capabilities.adapters)
        self._lock = threading.RLock()
        self._queue: deque[Run] = deque()
        self._running: set[Run] = set()
        self._embedding = 0
        self._tokens_evaluated = 0

    @property
    def model(self) -> LocalModel:
        return self.wish.model

    @property
    def engine(self) -> str:
        return self.wish.engine

    @property
    def workload(self) -> Workload:
        with self._lock:
            return Workload(len(self._running) + self._embedding, len(self._queue), self._tokens_evaluated)

    @property
    def memory(self) -> Memory:
        """What is kept for it: what it was expected to need, or takes already."""
        needed = self.wish.needed
        return Memory(max(needed.main_bytes, self.measured.now()), needed.gpu_bytes)

    def tokenize(self, text: str) -> list[int]:
        return self.process.tokenize(text)

    def tokenize_chat(self, messages: Sequence[Message]) -> list[int]:
        """Of an engine that renders chats itself."""
        return self.process.tokenize_chat(messages)

    def token_pieces(self, text: str) -> list[tuple[int, bytes]]:
        """The ids of a text, each with its bytes. Raises BadRequest where the engine does not tell."""
        return self.process.token_pieces(text)

    @contextmanager
    def embedding(self) -> Generator[None]:
        """Within it the model counts as at work."""
        with self._lock:
            self._embedding += 1
        try:
            yield
        finally:
            with self._lock:
                self._embedding -= 1

    def embed(self, texts: Sequence[Sequence[int]]) -> list[str]:
        """A vector of each text's ids; see the engine protocol."""
        vectors = self.process.embed(texts)
        with self._lock:
            self._tokens_evaluated += sum(len(tokens) for tokens in texts)
        return vectors

    def embed_texts(self, inputs: Sequence[str | Sequence[int]]) -> Embeddings:
        """Of an engine that counts for itself; see the engine protocol."""
        found = self.process.embed_texts(inputs)
        with self._lock:
            self._tokens_evaluated += found.tokens
        return found

    def submit(
        self,
        request: GenerationRequest,
        generation: Generation,
        dropped_messages: int = 0,
        deliver: Callable[[Event], None] | None = None,
    ) -> None:
        """Start the request or put it in line; its events go to `generation`, or to `deliver` on their way there.

        Raises Busy when the line is full, WorkerDied when the model was unloaded.
        """
        run = Run(
            request,
            generation,
            dropped_messages,
            deliver or generation.put,
            calls_are_held=not self.capabilities.tool_calls,
        )
        with self._lock:
            if len(self._queue) >= LIMITS.queued_requests:
                raise Busy(f"{LIMITS.queued_requests} requests are waiting already. Try again in a moment.")
            if not self.uses.take():
                raise WorkerDied(f"{self.model.title} was unloaded. The next message loads it again.")
            generation.on_end(self.uses.release)
            self._queue.append(run)
            self._advance()
        generation.on_cancel(lambda: self._cancel(run))

    def cancel_all(self) -> None:
        with self._lock:
            runs = [*self._queue, *self._running]
        for run in runs:
            run.generation.cancel()

    def _advance(self) -> None:
        """Fill the free slots; call with the lock held."""
        while self._queue and len(self._running) < self.capabilities.slots:
            run = self._queue.popleft()
            self._running.add(run)
            run.number = self.process.generate(run.request, lambda event, run=run: self._take(run, event))
        for position, run in enumerate(self._queue, start=1):
            run.generation.put(Progress("queued", position=position))

    def _take(self, run: "Run", event: Event) -> None:
        """An event of the engine, on the process's reader thread."""
        if isinstance(event, Finished | Failed):
            with self._lock:
                self._running.discard(run)
                if isinstance(event, Finished):
                    usage = event.usage
                    self._tokens_evaluated += usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens
                self._advance()
        run.take(event)

    def _cancel(self, run: "Run") -> None:
        with self._lock:
            waiting = run in self._queue
            if waiting:
                self._queue.remove(run)
                self._advance()
            number = run.number
        if waiting:
            usage = Usage(prompt_tokens=0)
            run.take(Finished("cancelled", usage, context_length=self.capabilities.context_length))
        elif number is not None:
            self.process.cancel(number)


class Run:
    """One request on its way through the queue and the engine."""

    def __init__(
        self,
        request: GenerationRequest,
        generation: Generation,
        dropped_messages: int,
        deliver: Callable[[Event], None],
        *,
        calls_are_held: bool,
    ) -> None:
        self.request = request
        self.generation = generation
        self._deliver = deliver
        self._dropped_messages = dropped_messages
        self.number: int | None = None
        self._pipeline = ReplyPipeline(
            prompt=request.prompt,
            splits_reasoning=not request.keep_tags,
            calls=format_named(request.call_format) if request.tools is not None and request.tools.may_call else None,
            calls_are_held=calls_are_held,
        )
        self._submitted = time.monotonic()
        self._first: float | None = None

    def take(self, event: Event) -> None:
        if self._first is None and isinstance(event, TextDelta | ReasoningDelta):
            self._first = time.monotonic()
        if isinstance(event, Finished):
            waited = (self._first or time.monotonic()) - self._submitted
            event = replace(
                event, first_token_seconds=waited, dropped_messages=self._dropped_messages or event.dropped_messages
            )
        for out in self._pipeline.feed(event):
            self._deliver(out)
