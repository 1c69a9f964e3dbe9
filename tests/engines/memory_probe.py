"""Measures what a worker takes: its proportional set size at the peak of a full-context prompt."""

import queue
import threading
import time
from dataclasses import dataclass
from typing import Any

from modules.children import Launcher
from modules.engines.process import EngineProcess
from modules.engines.protocol import EngineKind
from modules.engines.worker_memory import measured
from modules.types.generation import Event, Failed, Finished, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams

SAMPLE_SECONDS = 0.05
MIB = 2**20


@dataclass(frozen=True)
class Measured:
    """Bytes beyond an empty worker, and the speed of one short answer before it."""

    peak_bytes: int
    tokens_per_second: float


def measure(
    launcher: Launcher, kind: EngineKind, model: LocalModel, options: dict[str, Any], *, answer_tokens: int = 0
) -> Measured:
    """Loads the model, lets it answer a short prompt if that is wanted, then fill its context with one prompt."""
    process = EngineProcess(launcher, lambda: None)
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], measured(process.pid))

    watcher = threading.Thread(target=watch)
    try:
        capabilities = process.load(kind.name, model, options, lambda _fraction, _note: None)
        speed = answer(process, 32, answer_tokens).tokens_per_second if answer_tokens else 0.0
        watcher.start()
        answer(process, capabilities.context_length - 4, 3)
        # What was freed at the end is still there for a moment, and what is kept only then.
        time.sleep(4 * SAMPLE_SECONDS)
    finally:
        ended.set()
        if watcher.is_alive():
            watcher.join()
        process.end()
    return Measured(peak[0] - process.empty_bytes, speed)


def answer(process: EngineProcess, prompt_tokens: int, answer_tokens: int) -> Finished:
    """To a prompt of ids that every vocabulary has and that do not repeat themselves."""
    prompt = tuple((7 * place * place + 13 * place) % 150 + 2 for place in range(prompt_tokens))
    events: queue.Queue[Event] = queue.Queue()
    process.generate(
        GenerationRequest("", prompt, answer_tokens, (), SamplingParams(temperature=0.0, ignore_eos=True)), events.put
    )
    while not isinstance(event := events.get(), Finished | Failed):
        pass
    assert isinstance(event, Finished), event
    return event


def tolerance(actual_bytes: int) -> float:
    return max(0.10 * actual_bytes, 20 * MIB)
