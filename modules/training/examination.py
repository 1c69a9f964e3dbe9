"""Samples looked at with a model's tokenizer, in a child that is ended when it takes too long over one."""

import json
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from modules.children import ENDED, Child, Launcher
from modules.errors import BadRequest
from modules.types.machine import ComputeRates
from modules.types.recipes import Recipe
from modules.types.training import Examination, LensSample

PROGRAM = "modules.training.examiner"
# Over one sample; the first question waits for the libraries to load too.
PATIENCE_SECONDS = 20.0
START_SECONDS = 120.0
# A child that nobody asks gives its memory back.
IDLE_SECONDS = 120.0

EXAMINATIONS: TypeAdapter[Examination] = TypeAdapter(Examination)
SAMPLES: TypeAdapter[list[LensSample]] = TypeAdapter(list[LensSample])

# Line of the file, which of the samples it became, pack, width it is padded to.
Look = tuple[int, int, int, int]
Progress = Callable[[int], None]


class SampleExaminer:
    """One child, asked by one caller at a time; started when first needed. Any thread may call."""

    def __init__(self, launcher: Launcher, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._launcher = launcher
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._idle: threading.Timer | None = None

    def facts(
        self, folder: Path, samples: Path, recipe: Recipe, progress: Progress = lambda _line: None
    ) -> Examination:
        """Of all samples in a file. Raises BadRequest where tokenizer or chat template cannot be used."""
        answer = self._ask(self._question("facts", folder, samples, recipe), progress)
        return EXAMINATIONS.validate_python(answer)

    def lens(self, folder: Path, samples: Path, recipe: Recipe, looks: Sequence[Look]) -> list[LensSample]:
        """Raises as `facts` does."""
        question = self._question("lens", folder, samples, recipe) | {"looks": [list(look) for look in looks]}
        return SAMPLES.validate_python(self._ask(question, lambda _line: None)["samples"])

    def rates(self, inputs: int, outputs: int, threads: int = 0) -> ComputeRates:
        """Through a linear layer of this size, on so many threads; 0: on all cores."""
        question = {"ask": "rates", "inputs": inputs, "outputs": outputs, "threads": threads}
        return ComputeRates(**self._ask(question, lambda _line: None))

    def close(self) -> None:
        with self._lock:
            self._end()

    def _question(self, ask: str, folder: Path, samples: Path, recipe: Recipe) -> dict[str, Any]:
        return {"ask": ask, "model": str(folder), "samples": str(samples), "recipe": recipe.model_dump_json()}

    def _ask(self, question: dict[str, Any], progress: Progress) -> dict[str, Any]:
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            child, patience = self._child, self._patience_seconds
            if child is None:
                child, patience = self._start(), START_SECONDS
            row = 0
            try:
                child.send(json.dumps(question).encode())
                while "answer" not in (line := self._lines.get(timeout=patience)):
                    if ENDED in line:
                        raise BrokenPipeError
                    progress(line["line"])
                    row, patience = line["row"], self._patience_seconds
            except queue.Empty:
                child.kill()
                self._child = None
                raise too_slow(row, self._patience_seconds) from None
            except BrokenPipeError:
                last_words = child.last_words[-300:]
                self._child = None
                raise BadRequest(f"The samples could not be read with this model: {last_words}", "model") from None
            self._idle = threading.Timer(IDLE_SECONDS, self.close)
            self._idle.daemon = True
            self._idle.start()
            answer: dict[str, Any] = line["answer"]
            if "error" in answer:
                raise BadRequest(answer["error"], field="model")
            return answer

    def _start(self) -> Child:
        lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lines = lines
        self._child = Child(
            self._launcher,
            PROGRAM,
            on_line=lambda line: lines.put(json.loads(line)),
            on_end=lambda _status: lines.put({ENDED: True}),
        )
        return self._child

    def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._child is not None:
            self._child.end(0.5)
            self._child = None


def too_slow(row: int, seconds: float) -> BadRequest:
    where = f"a sample near row {row:,}" if row else "the first sample"
    return BadRequest(
        f"This model's chat template or tokenizer took longer than {seconds:g} seconds for {where}. Leave that row "
        "out, or train with another model.",
        field="model",
    )
