"""The worker's side: `python -m modules.engines.worker PARENT_PID` holds one loaded model and answers its parent."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event as Flag
from threading import Thread

from modules.children import ParentPipe
from modules.engines.brought import BroughtCode
from modules.engines.protocol import Emit, Engine
from modules.engines.registry import engine_named
from modules.engines.wire import (
    ANSWER,
    ORDER,
    Answer,
    Call,
    Cancel,
    Emitted,
    Generate,
    Load,
    LoadFailed,
    Loading,
    Ping,
    Pong,
    Ready,
    Returned,
)
from modules.engines.worker_memory import measured
from modules.errors import ModelError, ParlorError
from modules.replies.stops import StopMatcher
from modules.types.generation import Event, Failed, Finished, GenerationRequest, TextDelta


class Worker:
    """Runs each request on a thread of its own; the parent never sends more than the engine has slots."""

    def __init__(self, pipe: ParentPipe) -> None:
        self._pipe = pipe
        self._cancel_flags: dict[int, Flag] = {}
        self._callers = ThreadPoolExecutor(max_workers=2)
        self._brought = BroughtCode()
        self._engine: Engine | None = None

    def serve(self) -> None:
        """Until the parent closes the pipe."""
        for line in self._pipe.lines():
            match ORDER.validate_json(line):
                case Load() as order:
                    self._load(order)
                case Generate(id=number, request=request):
                    flag = self._cancel_flags[number] = Flag()
                    Thread(target=self._generate, args=(number, request, flag), daemon=True).start()
                case Cancel(id=number):
                    if (flag := self._cancel_flags.get(number)) is not None:
                        flag.set()
                case Call() as call:
                    self._callers.submit(self._call, call)
                case Ping():
                    self._send(Pong())

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _load(self, order: Load) -> None:
        try:
            source = order.source
            kind = engine_named(order.engine) if source is None else self._brought.engine(order.engine, source)
            options = kind.options.model_validate(order.options)
            kind.prepare()
            empty_bytes = measured(os.getpid())
            self._engine = kind.load(order.model, options, self._report)
        except ModelError as error:
            self._send(LoadFailed(str(error), error.cause))
        except Exception as error:  # noqa: BLE001 - the worker boundary: every fault becomes an answer
            self._send(LoadFailed(str(error) if isinstance(error, ParlorError) else repr(error)))
        else:
            self._send(Ready(self._engine.capabilities, empty_bytes))

    def _report(self, fraction: float, note: str) -> None:
        self._send(Loading(fraction, note))

    def _generate(self, number: int, request: GenerationRequest, cancelled: Flag) -> None:
        def emit(event: Event) -> None:
            self._send(Emitted(number, event))

        try:
            assert self._engine is not None
            for use in request.processors:
                if use.source is not None:
                    self._brought.make_importable(use.source)
            stopping = StoppingEmitter(request.stop, emit, cancelled)
            self._engine.generate(request, stopping if request.stop else emit, cancelled)
        except Exception as error:  # noqa: BLE001 - the worker boundary: every fault becomes an answer
            emit(Failed.of(error))
        finally:
            del self._cancel_flags[number]

    def _call(self, call: Call) -> None:
        try:
            value = getattr(self._engine, call.method)(*call.arguments)
            self._send(Returned(call.id, value))
        except Exception as error:  # noqa: BLE001 - the worker boundary: every fault becomes an answer
            self._send(Returned(call.id, failure=Failed.of(error)))

    def _send(self, answer: Answer) -> None:
        self._pipe.send(ANSWER.dump_json(answer))


class StoppingEmitter:
    """Ends the generation at a stop string: right here, where the tokens are made, none is made in vain."""

    def __init__(self, stops: tuple[str, ...], emit: Emit, cancelled: Flag) -> None:
        self._matcher = StopMatcher(stops)
        self._emit = emit
        self._cancelled = cancelled

    def __call__(self, event: Event) -> None:
        match event:
            case TextDelta():
                text = self._matcher.feed(event.text)
                if text or (event.logprobs and not self._matcher.matched):
                    self._emit(TextDelta(text, event.logprobs))
                if self._matcher.matched:
                    self._cancelled.set()
            case Finished():
                if rest := self._matcher.flush():
                    self._emit(TextDelta(rest))
                self._emit(as_stopped(event) if self._matcher.matched else event)
            case _:
                self._emit(event)


def as_stopped(event: Finished) -> Finished:
    return replace(event, reason="stop")


def main() -> None:
    worker = Worker(ParentPipe())
    worker.serve()
    worker.close()
    # Native threads may still compute for a request whose reader is gone; nobody waits for them.
    os._exit(0)


if __name__ == "__main__":
    main()
