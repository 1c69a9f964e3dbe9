"""Datasets read in a child process: the parent's side."""

import json
import queue
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from modules.children import Child, Launcher
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.order import ReadOrder
from modules.training.samples import example_of
from modules.types.datasets import DatasetCheck, DatasetLook, Example, RowProblem

PROGRAM = "modules.training.datasets.program"
WAITING_LINES = 8
# Between two looks whether anybody still waits for an answer.
PAUSE_SECONDS = 0.5

Watch = Callable[[int], None]


class DatasetReader:
    """Any thread may call. Hostile files end the child, which may take so much memory and no more.

    All raise BadRequest when there is nothing to read, or a person must say what the columns are.
    """

    def __init__(self, launcher: Launcher, memory_bytes: int = LIMITS.dataset_memory_bytes) -> None:
        self._launcher = launcher
        self._memory_bytes = memory_bytes

    def look(self, order: ReadOrder) -> DatasetLook:
        answers = self._answers(order.model_copy(update={"wanted": "look"}), LIMITS.dataset_look_seconds)
        return TypeAdapter(DatasetLook).validate_python(last_of(answers)["look"])

    def check(self, order: ReadOrder, watch: Watch = lambda _rows: None) -> DatasetCheck:
        """`watch` is told twice a second how many rows were checked, and may raise to end it."""
        answers = self._answers(order.model_copy(update={"wanted": "check"}), None, watch)
        return TypeAdapter(DatasetCheck).validate_python(last_of(answers)["check"])

    def samples(self, order: ReadOrder) -> Iterator[Example | RowProblem]:
        """In their order, as fast as they are taken; the child ends with the iterator."""
        for answer in self._answers(order.model_copy(update={"wanted": "samples"}), None):
            for row in answer["rows"]:
                yield example_of(row["sample"]) if "sample" in row else RowProblem(**row["problem"])

    def _answers(
        self, order: ReadOrder, seconds: float | None, watch: Watch = lambda _rows: None
    ) -> Iterator[dict[str, Any]]:
        """Until the child is done. `seconds` bound the wait for each answer."""
        waiting: queue.Queue[bytes | int] = queue.Queue(WAITING_LINES)
        child = Child(self._launcher, PROGRAM, on_line=waiting.put, on_end=waiting.put)
        ended = False
        rows = 0
        try:
            bounded = order.model_copy(update={"memory_bytes": self._memory_bytes})
            child.send(bounded.model_dump_json().encode())
            while True:
                line = awaited(waiting, seconds, partial(watch, rows))
                ended = isinstance(line, int)
                if isinstance(line, int):
                    raise BadRequest(f"Reading ended unexpectedly (status {line}); the data may be damaged.")
                answer = json.loads(line)
                if "error" in answer:
                    raise BadRequest(answer["error"], field=answer["field"])
                if "done" in answer:
                    return
                if "checked" in answer:
                    rows = answer["checked"]
                    watch(rows)
                else:
                    yield answer
        except queue.Empty as error:
            raise BadRequest(f"The first rows could not be read within {seconds:g} seconds.") from error
        finally:
            child.kill()
            # Its reader may be waiting for room.
            while not ended:
                ended = isinstance(waiting.get(), int)


def awaited(waiting: queue.Queue[bytes | int], seconds: float | None, pause: Callable[[], None]) -> bytes | int:
    """The next one; `pause` is called meanwhile. Raises queue.Empty after `seconds`."""
    ends = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            return waiting.get(timeout=PAUSE_SECONDS)
        except queue.Empty:
            if ends is not None and time.monotonic() >= ends:
                raise
        pause()


def last_of(answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    *_, last = answers
    return last
