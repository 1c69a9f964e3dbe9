"""The parent's side of a worker: a loaded model that can be asked, cancelled and ended."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

from pydantic_core import PydanticSerializationError

from modules.children import Child, Launcher
from modules.engines.faults import ENDED, death, explained
from modules.engines.protocol import Capabilities
from modules.engines.wire import (
    ANSWER,
    ORDER,
    Call,
    Cancel,
    Emitted,
    Generate,
    Load,
    LoadFailed,
    Loading,
    Method,
    Order,
    Ping,
    Pong,
    Ready,
    Returned,
)
from modules.errors import BadRequest, EngineError, ModelError, WorkerDied
from modules.types.embeddings import Embeddings
from modules.types.extension_source import ExtensionSource
from modules.types.generation import Event, Failed, Finished, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.messages import Message

CALL_SECONDS: dict[Method, float] = {
    "tokenize": 60.0,
    "tokenize_chat": 60.0,
    "token_pieces": 60.0,
    "embed": 600.0,
    "embed_texts": 600.0,
    "load_adapter": 300.0,
    "unload_adapter": 60.0,
}
LAST_WORDS_SECONDS = 2.0
PING_SECONDS = 5.0
SILENCE_SECONDS = 30.0

NO_TEXT = "The text holds half of a surrogate pair, which is not a character."
UNLOADED = "The model was unloaded. The next message loads it again."

Sink = Callable[[Event], None]


class EngineProcess:
    """One worker with one model. All methods may be called from any thread.

    `on_end` is called once, on the reader's thread, when the process is gone for whatever reason.
    """

    def __init__(self, launcher: Launcher, on_end: Callable[[], None]) -> None:
        self._numbers = itertools.count(1)
        self._sinks: dict[int, Sink] = {}
        self._calls: dict[int, Future[Any]] = {}
        self._ready: Future[Capabilities] = Future()
        self._report: Callable[[float, str], None] = lambda _fraction, _note: None
        self._on_end = on_end
        self._lock = threading.Lock()
        self._heard = time.monotonic()
        self._gone = threading.Event()
        self._exit_status = 0
        self._empty_bytes = 0
        # What readers are told when it leaves because it was asked to.
        self._farewell = ""
        self._child = Child(launcher, "modules.engines.worker", self._take, self._ended)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def empty_bytes(self) -> int:
        """What the worker took before it began to load its model."""
        return self._empty_bytes

    @property
    def gone(self) -> bool:
        return self._gone.is_set()

    @property
    def exit_status(self) -> int:
        """Of a process that has gone; negative is the signal that ended it."""
        return self._exit_status

    @property
    def last_words(self) -> str:
        """The newest lines the engine wrote to its standard error."""
        return self._child.last_words

    def load(
        self,
        engine: str,
        model: LocalModel,
        options: dict[str, Any],
        report: Callable[[float, str], None],
        source: ExtensionSource | None = None,
    ) -> Capabilities:
        """Blocks until the model is loaded; raises ModelError with its cause and the engine's last words otherwise."""
        self._report = report
        try:
            self._send(Load(engine, model, options, source))
            capabilities = self._ready.result()
        except ModelError as error:
            self._child.end(1.0)
            # Only then its last words are complete.
            self._gone.wait(LAST_WORDS_SECONDS)
            raise explained(error, model.title, self.last_words) from error
        except WorkerDied as error:
            raise death(model.title, self.exit_status, self.last_words) from error
        threading.Thread(target=self._watch, name="worker watch", daemon=True).start()
        return capabilities

    def tokenize(self, text: str) -> list[int]:
        return self._call("tokenize", text)

    def tokenize_chat(self, messages: Sequence[Message]) -> list[int]:
        return self._call("tokenize_chat", [{"role": one.role, "content": one.content} for one in messages])

    def token_pieces(self, text: str) -> list[tuple[int, bytes]]:
        return [(token, bytes.fromhex(encoded)) for token, encoded in self._call("token_pieces", text)]

    def load_adapter(self, name: str, path: str) -> int:
        """The bytes it takes."""
        return self._call("load_adapter", name, path)

    def unload_adapter(self, name: str) -> None:
        self._call("unload_adapter", name)

    def embed(self, texts: Sequence[Sequence[int]]) -> list[str]:
        return self._call("embed", texts)

    def embed_texts(self, inputs: Sequence[str | Sequence[int]]) -> Embeddings:
        """Of an engine that counts for itself."""
        found = self._call("embed_texts", inputs)
        return Embeddings(tuple(found["vectors"]), found["tokens"])

    def generate(self, request: GenerationRequest, sink: Sink) -> int:
        """Start a request; `sink` gets its events, the last of which is Finished or Failed. Returns its number."""
        number = next(self._numbers)
        with self._lock:
            self._sinks[number] = sink
        self._send(Generate(number, request))
        return number

    def cancel(self, number: int) -> None:
        self._send(Cancel(number))

    def end(self, farewell: str = UNLOADED) -> None:
        """Let the worker leave by itself, or kill it; its memory is free when this returns.

        What is still at work ends with `farewell`, a sentence.
        """
        self._farewell = farewell
        self._child.end()

    def kill(self) -> None:
        self._child.kill()

    def _call(self, method: Method, *arguments: Any) -> Any:
        """The answer of the engine's method of that name; raises what it raised."""
        number = next(self._numbers)
        future: Future[Any] = Future()
        with self._lock:
            self._calls[number] = future
        self._send(Call(number, method, list(arguments)))
        try:
            return future.result(CALL_SECONDS[method])
        except FutureTimeout as error:
            raise EngineError(f"The engine took more than {CALL_SECONDS[method]:.0f} seconds.") from error

    def _send(self, order: Order) -> None:
        """A worker that has gone is reported by `_ended`, to everyone who waits."""
        try:
            line = ORDER.dump_json(order)
        except PydanticSerializationError as error:
            if not isinstance(order, Call | Generate):
                raise EngineError(NO_TEXT) from error
            self._refuse(order.id)
            return
        with suppress(BrokenPipeError, ValueError):
            self._child.send(line)
        if self.gone:
            self._fail_everyone()

    def _refuse(self, number: int) -> None:
        """What cannot be sent ends as if the worker had refused it."""
        error = BadRequest(NO_TEXT)
        with self._lock:
            sink, future = self._sinks.pop(number, None), self._calls.pop(number, None)
        if sink is not None:
            sink(Failed.of(error))
        if future is not None:
            future.set_exception(error)

    def _take(self, line: bytes) -> None:
        self._heard = time.monotonic()
        match ANSWER.validate_json(line):
            case Emitted(id=number, event=event):
                sink = self._sinks[number]
                if isinstance(event, Finished | Failed):
                    with self._lock:
                        del self._sinks[number]
                sink(event)
            case Returned(id=number, value=value, failure=failure):
                with self._lock:
                    future = self._calls.pop(number)
                if failure is None:
                    future.set_result(value)
                else:
                    future.set_exception(failure.error())
            case Loading(fraction=fraction, note=note):
                self._report(fraction, note)
            case Ready(capabilities=capabilities, empty_bytes=empty_bytes):
                self._empty_bytes = empty_bytes
                self._ready.set_result(capabilities)
            case LoadFailed(message=message, cause=cause):
                self._ready.set_exception(ModelError(message, cause=cause))
            case Pong():
                pass

    def _ended(self, status: int) -> None:
        self._exit_status = status
        self._gone.set()
        self._on_end()
        self._fail_everyone()

    def _fail_everyone(self) -> None:
        with self._lock:
            sinks, self._sinks = self._sinks, {}
            futures, self._calls = self._calls, {}
        error = WorkerDied(self._farewell or f"{ENDED}. The next message loads the model again.")
        for sink in sinks.values():
            sink(Failed(str(error), "WorkerDied", self._child.last_words))
        for future in futures.values():
            future.set_exception(error)
        if not self._ready.done():
            self._ready.set_exception(error)

    def _watch(self) -> None:
        """A worker that is alive but silent (stopped, or stuck in native code) is as good as dead."""
        while not self.gone:
            self._send(Ping())
            time.sleep(PING_SECONDS)
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                self.kill()
