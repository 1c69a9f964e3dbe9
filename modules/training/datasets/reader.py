"""Datasets read in a child process: the parent's side."""

import json
import queue
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import TypeAdapter

from modules.children import Child, Launcher
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.training.datasets.order import ReadOrder
from modules.training.samples import example_of
from modules.types.datasets import DatasetCheck, DatasetLook, Example, RowProblem

PROGRAM = "modules.training.datasets.program"
WAITING_LINES = 8


class DatasetReader:
    """Any thread may call. Hostile files end the child, which may take so much memory and no more.

    All raise BadRequest when there is nothing to read, or a person must say what the columns are.
    """

    def __init__(self, launcher: Launcher, memory_bytes: int = LIMITS.dataset_memory_bytes) -> None:
        self._launcher = launcher
        self._memory_bytes = memory_bytes

    def look(self, order: ReadOrder) -> DatasetLook:
        answer = self._only_answer(order, "look", LIMITS.dataset_look_seconds)
        return TypeAdapter(DatasetLook).validate_python(answer)

    def check(self, order: ReadOrder) -> DatasetCheck:
        return TypeAdapter(DatasetCheck).validate_python(self._only_answer(order, "check", None))

    def samples(self, order: ReadOrder) -> Iterator[Example | RowProblem]:
        """In their order, as fast as they are taken; the child ends with the iterator."""
        for answer in self._answers(order.model_copy(update={"wanted": "samples"}), None):
            for row in answer["rows"]:
                yield example_of(row["sample"]) if "sample" in row else RowProblem(**row["problem"])

    def _only_answer(self, order: ReadOrder, wanted: Literal["look", "check"], seconds: float | None) -> dict[str, Any]:
        first, *_ = self._answers(order.model_copy(update={"wanted": wanted}), seconds)
        return first[wanted]

    def _answers(self, order: ReadOrder, seconds: float | None) -> Iterator[dict[str, Any]]:
        """Until the child is done. `seconds` bound the wait for each answer."""
        waiting: queue.Queue[bytes | int] = queue.Queue(WAITING_LINES)
        child = Child(self._launcher, PROGRAM, on_line=waiting.put, on_end=waiting.put)
        ended = False
        try:
            bounded = order.model_copy(update={"memory_bytes": self._memory_bytes})
            child.send(bounded.model_dump_json().encode())
            while True:
                line = waiting.get(timeout=seconds)
                ended = isinstance(line, int)
                if isinstance(line, int):
                    raise BadRequest(f"Reading ended unexpectedly (status {line}); the data may be damaged.")
                answer = json.loads(line)
                if "error" in answer:
                    raise BadRequest(answer["error"], field=answer["field"])
                if "done" in answer:
                    return
                yield answer
        except queue.Empty as error:
            raise BadRequest(f"The first rows could not be read within {seconds:g} seconds.") from error
        finally:
            child.kill()
            # Its reader may be waiting for room.
            while not ended:
                ended = isinstance(waiting.get(), int)
