"""What a training process tells of its run, a line each, read as the file grows."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from pydantic import TypeAdapter, ValidationError

from modules.types.training import EvaluationMetrics, Metrics, MetricsSummary, ResultWritten, StepMetrics

# Of what was read last, to see whether the file still goes on from there.
TAIL_BYTES = 4096
METRICS: TypeAdapter[Metrics] = TypeAdapter(Metrics)


class MetricsLog:
    """Any thread may call. A last line that is not whole counts for nothing yet.

    A resumed run cuts off the lines behind its checkpoint; what was known of the file is then read anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._forget()

    def lines(self, after: int) -> tuple[list[dict[str, Any]], int]:
        """(the lines behind the first `after`, how many there are now); all of them where there are fewer than that."""
        with self._lock:
            self._read_on()
            count = len(self._ends)
            first = after if after <= count else 0
            if first == count:
                return [], count
            start = self._ends[first - 1] if first else 0
            with self._path.open("rb") as file:
                file.seek(start)
                content = file.read(self._ends[-1] - start)
            return [orjson.loads(line) for line in content.splitlines()], count

    @property
    def summary(self) -> MetricsSummary:
        with self._lock:
            self._read_on()
            return self._summary

    def _read_on(self) -> None:
        if not self._path.is_file():
            self._forget()
            return
        with self._path.open("rb") as file:
            if self._ends and not self._goes_on(file):
                self._forget()
            file.seek(self._ends[-1] if self._ends else 0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._ends.append((self._ends[-1] if self._ends else 0) + len(line))
                self._tail = (self._tail + line)[-TAIL_BYTES:]
                self._summary = with_line(self._summary, line)

    def _goes_on(self, file: BinaryIO) -> bool:
        """Whether what was read last still stands in its place."""
        file.seek(self._ends[-1] - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _forget(self) -> None:
        # Where each line ends in the file.
        self._ends: list[int] = []
        self._tail = b""
        self._summary = MetricsSummary()


def with_line(summary: MetricsSummary, line: bytes) -> MetricsSummary:
    try:
        told = METRICS.validate_json(line)
    except ValidationError:
        return summary
    match told:
        case StepMetrics():
            peak = max(summary.peak_memory_bytes, told.memory_bytes)
            tokens = told.tokens - (summary.metrics.tokens if summary.metrics else 0)
            seconds = summary.step_seconds + (tokens / told.tokens_per_second if told.tokens_per_second else 0.0)
            return replace(summary, metrics=told, peak_memory_bytes=peak, step_seconds=seconds)
        case EvaluationMetrics():
            return replace(
                summary,
                first_evaluation=summary.first_evaluation or told,
                last_evaluation=told,
                best_evaluation=told if told.is_best else summary.best_evaluation,
            )
        case ResultWritten():
            return replace(summary, result_step=told.step)
        case _:
            return summary
