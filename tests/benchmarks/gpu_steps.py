"""Where a step of the transformers engine goes on this machine: the pass, the sorting, each request's share.

usage: python -m tests.benchmarks.gpu_steps [1b|8b|tiny]
Medians in milliseconds, for one stream and for 32, by kinds of knobs. Each pass is waited for, which costs a little.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from modules.engines.hf import scheduler
from modules.engines.hf.batch import RowBatch
from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.sampling import Sampler
from modules.engines.hf.scheduler import Scheduler
from modules.engines.hf.sequence import Sequence
from modules.types.generation import GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.benchmarks.gpu import STREAMS, make_folder

TOKENS = 100
KNOBS = {
    "greedy": SamplingParams(temperature=0, ignore_eos=True),
    "usual": SamplingParams(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, ignore_eos=True),
    "repetition penalty": SamplingParams(temperature=0.8, top_p=0.95, repetition_penalty=1.1, ignore_eos=True),
}
PARTS: tuple[tuple[Any, str, bool], ...] = (
    (Scheduler, "_write_tokens", False),
    (RowBatch, "write", True),
    (scheduler, "heads_of", False),
    (Sequence, "take", False),
    (Sampler, "choose", False),
)


def timed(function: Callable[..., Any], taken: list[float], *, waits: bool) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = function(*args, **kwargs)
        if waits and torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
        return result

    return run


def write(engine: HfEngine, knobs: SamplingParams, count: int) -> float:
    """Tokens a second of all streams."""

    def ask(number: int) -> None:
        request = GenerationRequest("", (10 + number, *range(20, 60)), TOKENS, (), knobs)
        engine.generate(request, lambda _event: None, threading.Event())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count * TOKENS / (time.perf_counter() - started)


def main() -> None:
    shape = sys.argv[1] if len(sys.argv) > 1 else "1b"
    taken: dict[str, list[float]] = {name: [] for _, name, _ in PARTS}
    for owner, name, waits in PARTS:
        setattr(owner, name, timed(vars(owner)[name], taken[name], waits=waits))
    with tempfile.TemporaryDirectory() as models:
        folder = Path(models) / shape
        make_folder(folder, shape)
        options = HfOptions(dtype="bfloat16", slots=STREAMS, context_length=1024)
        engine = HfEngine(LocalModel(shape, shape, "safetensors", folder), options, lambda *_: None)
        for count in (1, STREAMS):
            write(engine, KNOBS["greedy"], count)
            for kind, knobs in KNOBS.items():
                for times in taken.values():
                    times.clear()
                speed = write(engine, knobs, count)
                parts = ", ".join(
                    f"{name} {1000 * statistics.median(times):.3f}" for name, times in taken.items() if times
                )
                print(f"{count:2} {kind:18} {speed:8.1f} tok/s; ms: {parts}", flush=True)
        engine.close()


if __name__ == "__main__":
    main()
