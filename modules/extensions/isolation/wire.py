"""Questions and answers over a pipe, in both directions at once: what an isolated extension and the program speak.

A line is `? NUMBER WITHIN NAME ARGUMENTS`, `= NUMBER ANSWER` or `! NUMBER ERROR`; arguments, answers and errors are
JSON. WITHIN is the number of the question that is being answered, 0 for none.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from modules.errors import ParlorError
from modules.extensions.checks import kind_of
from modules.extensions.guard import Unfit, sentence_of
from modules.extensions.isolation.crossing import SIGNATURES
from modules.extensions.threads import Threads
from modules.types.generation import Failed

GONE = "was asked of a process that has ended."
MAX_LINE_BYTES = 64 * 2**20
FAILED: TypeAdapter[Failed] = TypeAdapter(Failed)


@dataclass(frozen=True)
class Answer:
    content: bytes


@dataclass(frozen=True)
class Question:
    number: int
    name: str
    arguments: bytes


class Peer:
    """One end. `handlers` answer the other end's questions. Any thread may ask.

    A question that is asked while another is answered comes back to the thread that waits for that answer, as a
    function that it passed would be called on it; any other is answered on a thread of its own.
    """

    def __init__(self, send: Callable[[bytes], None], handlers: Mapping[str, Callable[..., Any]]) -> None:
        self._send = send
        self._handlers = handlers
        self._numbers = itertools.count(1)
        self._inboxes: dict[int, SimpleQueue[Answer | Question | Exception]] = {}
        self._threads = Threads("isolated extension")
        self._answering = threading.local()
        self._ended = ""

    def ask(self, name: str, *arguments: Any, seconds: float | None = None) -> Any:
        """What the other end answers. Raises what its handler raised: ParlorErrors and ValueErrors as they are, others
        as Unfit; Unfit too when it has gone, or answered something of the wrong kind; TimeoutError after so many
        seconds, those not counted in which this end answers."""
        number = next(self._numbers)
        inbox = self._inboxes[number] = SimpleQueue()
        within: int = self._answering.__dict__.get("number", 0)
        try:
            if self._ended:
                raise Unfit(self._ended)
            self._send(b"? %d %d %s %s" % (number, within, name.encode(), packed(name, arguments)))
            answer = self._wait(inbox, seconds)
        except BrokenPipeError as error:
            raise Unfit(self._ended or GONE) from error
        finally:
            del self._inboxes[number]
        try:
            return SIGNATURES[name].answer.validate_json(answer)
        except ValidationError as error:
            raise Unfit(f"returned {kind_of(from_json(answer))}, which is not what it must return.") from error

    def take(self, line: bytes) -> None:
        """A line of the other end; on the thread that reads the pipe. Raises ValueError for what is none."""
        kind, number, rest = line.rstrip(b"\n").split(b" ", 2)
        if kind == b"?":
            within, name, arguments = rest.split(b" ", 2)
            question = Question(int(number), name.decode(), arguments)
            if (inbox := self._inboxes.get(int(within))) is not None:
                inbox.put(question)
            else:
                self._threads.run(lambda: self._answer(question))
        elif (inbox := self._inboxes.get(int(number))) is not None:
            inbox.put(Answer(rest) if kind == b"=" else error_of(rest))

    def end(self, reason: str) -> None:
        """The other end has gone: whoever waits for it learns why, and nobody asks it any more."""
        self._ended = reason
        for inbox in tuple(self._inboxes.values()):
            inbox.put(Unfit(reason))
        self._threads.close()

    def _wait(self, inbox: "SimpleQueue[Answer | Question | Exception]", seconds: float | None) -> bytes:
        left = seconds
        while True:
            started = time.monotonic()
            try:
                arrived = inbox.get(timeout=left)
            except Empty:
                raise TimeoutError from None
            if left is not None:
                left = max(0.0, left + started - time.monotonic())
            match arrived:
                case Answer():
                    return arrived.content
                case Question():
                    self._answer(arrived)
                case _:
                    raise arrived

    def _answer(self, question: Question) -> None:
        outer: int = self._answering.__dict__.get("number", 0)
        self._answering.number = question.number
        name = question.name
        try:
            answer = self._handlers[name](*SIGNATURES[name].arguments.validate_json(question.arguments))
            line = b"= %d %s" % (question.number, packed(name, answer))
        except BaseException as error:  # noqa: BLE001 - the boundary: whatever code of others raises is an answer
            line = b"! %d %s" % (question.number, to_json(described(error)))
        finally:
            self._answering.number = outer
        try:
            self._send(line)
        except BrokenPipeError:
            self.end(GONE)


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
