"""Questions and answers over a pipe, in both directions at once: what an isolated extension and the program speak.

A line is `? NUMBER NAME ARGUMENTS`, `= NUMBER ANSWER` or `! NUMBER ERROR`; what follows the number is JSON.
"""

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from modules.errors import ParlorError
from modules.extensions.checks import kind_of
from modules.extensions.guard import Unfit, sentence_of
from modules.extensions.isolation.crossing import SIGNATURES
from modules.extensions.threads import Threads
from modules.types.generation import Failed

MAX_LINE_BYTES = 64 * 2**20
FAILED: TypeAdapter[Failed] = TypeAdapter(Failed)


class Peer:
    """One end. `handlers` answer the other end's questions, each on a thread of its own. Any thread may ask."""

    def __init__(self, send: Callable[[bytes], None], handlers: Mapping[str, Callable[..., Any]]) -> None:
        self._send = send
        self._handlers = handlers
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[bytes]] = {}
        self._threads = Threads("isolated extension")
        self._ended = ""

    def ask(self, name: str, *arguments: Any, seconds: float | None = None) -> Any:
        """What the other end answers. Raises what its handler raised: ParlorErrors and ValueErrors as they are, others
        as Unfit; Unfit too when it has gone, or answered something of the wrong kind; TimeoutError."""
        number = next(self._numbers)
        waiting: Future[bytes] = Future()
        self._waiting[number] = waiting
        try:
            if self._ended:
                raise Unfit(self._ended)
            self._send(b"? %d %s %s" % (number, name.encode(), packed(name, arguments)))
            answer = waiting.result(seconds)
        except OSError as error:
            # A timeout is an OSError as well; any other means that nobody reads the pipe any more.
            if isinstance(error, TimeoutError):
                raise
            raise Unfit(self._ended or "was asked of a process that has ended.") from error
        finally:
            self._waiting.pop(number, None)
        try:
            return SIGNATURES[name].answer.validate_json(answer)
        except ValidationError as error:
            raise Unfit(f"returned {kind_of(from_json(answer))}, which is not what it must return.") from error

    def take(self, line: bytes) -> None:
        """A line of the other end; on the thread that reads the pipe."""
        kind, number, rest = line.rstrip(b"\n").split(b" ", 2)
        if kind == b"?":
            name, arguments = rest.split(b" ", 1)
            self._threads.run(lambda: self._answer(int(number), name.decode(), arguments))
        elif (waiting := self._waiting.get(int(number))) is not None:
            if kind == b"=":
                waiting.set_result(rest)
            else:
                waiting.set_exception(error_of(rest))

    def end(self, reason: str) -> None:
        """The other end has gone: whoever waits for it learns why, and nobody asks it any more."""
        self._ended = reason
        for waiting in tuple(self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(Unfit(reason))
        self._threads.close()

    def _answer(self, number: int, name: str, arguments: bytes) -> None:
        try:
            answer = self._handlers[name](*SIGNATURES[name].arguments.validate_json(arguments))
            line = b"= %d %s" % (number, packed(name, answer))
        except BaseException as error:  # noqa: BLE001 - the boundary: whatever code of others raises is an answer
            line = b"! %d %s" % (number, to_json(described(error)))
        try:
            self._send(line)
        except OSError:
            self.end("was asked of a process that has ended.")


def packed(name: str, value: Any) -> bytes:
    """Raises Unfit for what JSON cannot hold."""
    try:
        line = to_json(value, bytes_mode="base64", fallback=plain)
    except (PydanticSerializationError, ValueError) as error:
        raise Unfit(f"gave what cannot leave its process: {error}.") from error
    if len(line) > MAX_LINE_BYTES:
        raise Unfit(f"gave more than {MAX_LINE_BYTES // 2**20} MiB at once ({name}).")
    return line


def plain(value: Any) -> Any:
    """What pydantic has no word for, by what it does."""
    if isinstance(value, Mapping):
        return dict(cast(Mapping[str, Any], value))
    raise TypeError(f"{type(value).__name__} is no plain value")


def described(error: BaseException) -> Failed:
    match error:
        case ParlorError():
            return Failed.of(error)
        case ValueError():
            return Failed(str(error), ValueError.__name__)
        case _:
            return Failed(sentence_of(error), Unfit.__name__)


def error_of(told: bytes) -> Exception:
    failed = FAILED.validate_json(told)
    match failed.error_type:
        case "ValueError":
            return ValueError(failed.message)
        case "Unfit":
            return Unfit(failed.message)
        case _:
            return failed.error()
