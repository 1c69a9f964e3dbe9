"""Whether constrained texts are what they must be, and what that costs: `python -m tests.benchmarks.structured [N [THREADS]]`.

N generations (500) of the starter model on each engine: all cases in turn, at temperatures from 0 to 1.5. A text that
ends by its length counts as a failure. Cost is the time a token takes more than one of a text that is free.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.protocol import Engine
from modules.errors import ParlorError
from modules.library.library import Library
from modules.library.starter import STARTER
from modules.paths import PROJECT
from modules.types.generation import Constraint, Event, Finished, GenerationRequest, TextDelta
from modules.types.sampling import SamplingParams
from tests.benchmarks.constraint_cases import Case, all_cases
from tests.conftest import link_or_copy

GENERATIONS = 500
MAX_TOKENS = 500
CONTEXT = 1024
TEMPERATURES = (0.0, 0.3, 0.7, 1.0, 1.5)
PROMPT = "<|im_start|>user\nAnswer in the form you were given.<|im_end|>\n<|im_start|>assistant\n"
LONG = Constraint("json_schema", json.dumps({"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120}}, "required": ["name", "age"]}, "minItems": 40}))  # fmt: skip
COST_TOKENS = 100
COST_ROUNDS = 7


@dataclass(frozen=True)
class Answer:
    text: str
    reason: str
    tokens: int
    seconds: float


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else GENERATIONS
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as place:
        for name, engine in starter_engines(Path(place), threads).items():
            started = time.perf_counter()
            failures = run(engine, all_cases(), count)
            seconds = time.perf_counter() - started
            print(f"{name}: {count - len(failures)} of {count} right in {seconds:.0f} s", *failures, sep="\n  ")
            print(f"{name}: {cost(engine)}", flush=True)
            engine.close()


def starter_engines(folder: Path, threads: int) -> dict[str, Engine]:
    link_or_copy(PROJECT / "models" / STARTER.file_name, folder / STARTER.file_name)
    convert = [sys.executable, str(PROJECT / "webui.py"), "convert", "starter", "starter-hf", "--models", str(folder)]
    subprocess.run(convert, check=True, capture_output=True)
    library = Library(folder)
    gguf = LlamaCppOptions(context_length=CONTEXT, slots=1, threads=threads)
    folders = HfOptions(context_length=CONTEXT, threads=threads)
    return {
        "llama.cpp": LlamaCppEngine(library.find("starter"), gguf, lambda *_: None),
        "transformers": HfEngine(library.find("starter-hf"), folders, lambda *_: None),
    }


def run(engine: Engine, cases: Sequence[Case], count: int) -> list[str]:
    """What went wrong, in words; `count` generations over the cases in turn."""
    failures: list[str] = []
    for number in range(count):
        case = cases[number % len(cases)]
        knobs = SamplingParams(temperature=TEMPERATURES[number % len(TEMPERATURES)], seed=number)
        try:
            answer = ask(engine, case.constraint, knobs)
            fault = case.judge(answer.text) if answer.reason == "stop" else f"ended by {answer.reason}"
        except ParlorError as error:
            answer, fault = None, str(error)
        if fault:
            shown = answer.text[:200] if answer else ""
            failures.append(f"{case.name}, temperature {knobs.temperature}, seed {number}: {fault}: {shown!r}")
    return failures


def cost(engine: Engine) -> str:
    """The first answer to a constraint compiles it, so it is not counted."""
    free, followed = list[float](), list[float]()
    knobs = SamplingParams(temperature=1.0, seed=1, ignore_eos=True)
    ask(engine, LONG, knobs, 2)
    for _ in range(COST_ROUNDS):
        for constraint, times in ((None, free), (LONG, followed)):
            answer = ask(engine, constraint, knobs, COST_TOKENS)
            times.append(answer.seconds / answer.tokens)
    one, other = statistics.median(free), statistics.median(followed)
    return f"{1 / one:.1f} tokens/s free, {1 / other:.1f} constrained, {(other - one) * 1000:+.2f} ms a token"


def ask(engine: Engine, constraint: Constraint | None, knobs: SamplingParams, tokens: int = MAX_TOKENS) -> Answer:
    """`seconds` are those of writing, from the first text on."""
    events: list[tuple[float, Event]] = []

    def emit(event: Any) -> None:
        events.append((time.perf_counter(), event))

    prompt = tuple(engine.tokenize(PROMPT))
    engine.generate(GenerationRequest("", prompt, tokens, sampling=knobs, constraint=constraint), emit, Flag())
    texts = [(at, event.text) for at, event in events if isinstance(event, TextDelta)]
    end = next(event for _, event in events if isinstance(event, Finished))
    seconds = events[-1][0] - texts[0][0] if texts else 0.0
    return Answer("".join(text for _, text in texts), end.reason, end.usage.completion_tokens, seconds)


if __name__ == "__main__":
    main()
