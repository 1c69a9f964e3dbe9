"""The transformers engine in its worker against transformers' own `generate()` in a process of its own, interleaved.

usage: python -m tests.benchmarks.transformers_engine [decode] [together] [reuse] [gap] [memory] [lookup] [constraint]   (all by default)
Needs the starter model; converts it first. Nothing else should compute meanwhile.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import psutil

from modules.children import Launcher
from modules.engines.process import EngineProcess
from modules.library.library import Library
from modules.library.starter import STARTER
from modules.paths import PROJECT
from modules.types.generation import Constraint, Event, Failed, Finished, GenerationRequest, Progress, TextDelta
from modules.types.sampling import SamplingParams
from tests.conftest import link_or_copy

ROUNDS = 5
TOKENS = 64
STORY = "<|im_start|>user\nTell me a long story about a dragon who learns to paint, number {}.<|im_end|>\n<|im_start|>assistant\n"
GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)
WORDS = ["dragon", "paint", "river", "stone", "cloud", "music", "garden", "letter"]


class Bench:
    """A worker for each form of weights, and a process with the model as transformers loads it.

    Processes of their own, because PyTorch's helpers of several models in one process hinder each other.
    """

    def __init__(self, folder: Path) -> None:
        self.model = Library(folder.parent).find(folder.name)
        self._launcher = Launcher()
        self._engines: dict[str, EngineProcess] = {}
        self._reference = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.generate_reference", str(folder)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def engine(self, weights: str, **options: int | str) -> EngineProcess:
        key = f"{weights} {options}"
        if key not in self._engines:
            process = EngineProcess(self._launcher, lambda: None)
            process.load("transformers", self.model, {"weights": weights, **options}, lambda *_: None)
            self._engines[key] = process
        return self._engines[key]

    def close(self) -> None:
        self._reference.kill()
        for engine in self._engines.values():
            engine.kill()

    def prompt(self, number: int) -> list[int]:
        return self.engine("packed").tokenize(STORY.format(number))

    def generate(self, number: int, tokens: int = TOKENS) -> float:
        """Tokens a second of the reference, its prompt included as in the others."""
        assert self._reference.stdin is not None
        assert self._reference.stdout is not None
        self._reference.stdin.write(json.dumps({"ids": self.prompt(number), "tokens": tokens}) + "\n")
        self._reference.stdin.flush()
        return tokens / float(self._reference.stdout.readline())

    def run(self, weights: str, number: int, tokens: int = TOKENS) -> float:
        started = time.perf_counter()
        ask(self.engine(weights), self.prompt(number), tokens)
        return tokens / (time.perf_counter() - started)

    def together(self, weights: str, number: int) -> float:
        return speed_together(self.engine(weights), [self.prompt(number * 100 + place) for place in range(8)], TOKENS)


def ask(
    engine: EngineProcess,
    prompt: list[int],
    tokens: int,
    on_event: Callable[[Event], None] | None = None,
    constraint: Constraint | None = None,
) -> Finished:
    ended: Future[Event] = Future()

    def take(event: Event) -> None:
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished | Failed):
            ended.set_result(event)

    engine.generate(GenerationRequest("", tuple(prompt), tokens, (), GREEDY, constraint), take)
    end = ended.result()
    assert isinstance(end, Finished), end
    return end


def speed_together(engine: EngineProcess, prompts: list[list[int]], tokens: int) -> float:
    """Tokens a second of all these requests, asked at once."""
    threads = [threading.Thread(target=ask, args=(engine, prompt, tokens)) for prompt in prompts]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(prompts) * tokens / (time.perf_counter() - started)


def compare(name: str, ours: Callable[[int], float], reference: Callable[[int], float], target: str) -> None:
    ours(999)
    reference(999)
    rows = [
        (ours(number), reference(number)) if number % 2 else (reference(number), ours(number))[::-1]
        for number in range(ROUNDS)
    ]
    ratios = sorted(a / b for a, b in rows)
    print(
        f"{name}: {statistics.median(a for a, _ in rows):.1f} vs {statistics.median(b for _, b in rows):.1f} tok/s, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f}), target {target}",
        flush=True,
    )


def bench_decode(bench: Bench) -> None:
    for weights, target in (("plain", "-"), ("packed", ">= 1.3"), ("int4", ">= 2.5")):
        compare(f"one stream, {weights}", lambda n, w=weights: bench.run(w, n), bench.generate, target)


def bench_together(bench: Bench) -> None:
    for weights in ("packed", "int4"):
        compare(
            f"eight streams, {weights}, vs one after the other",
            lambda n, w=weights: bench.together(w, n),
            bench.generate,
            ">= 6",
        )


def bench_reuse(bench: Bench) -> None:
    """First token at turn 8 of a chat of about 1,000 tokens, with what was computed before and without."""
    shares: list[float] = []
    for number in range(ROUNDS):
        engine = bench.engine("packed")
        tokens: list[int] = engine.tokenize(f"<|im_start|>system\nYou are helpful, number {number}.<|im_end|>\n")
        end = None
        for turn in range(8):
            said = " ".join(WORDS[(turn + place) % 8] for place in range(90))
            tokens += engine.tokenize(f"<|im_start|>user\n{said} {turn}<|im_end|>\n<|im_start|>assistant\n")
            end = ask(engine, tokens, 24)
            tokens += engine.tokenize("The old painter walked to the river and sat on a stone.<|im_end|>\n")
        assert end is not None
        anew = ask(engine, [5, *tokens[:-15]], 1)
        shares.append(end.first_token_seconds / anew.first_token_seconds)
        print(
            f"  {end.usage.cached_tokens} of {end.usage.prompt_tokens} tokens reused, {end.first_token_seconds:.3f} s vs {anew.first_token_seconds:.3f} s"
        )
    print(
        f"first token at turn 8, with reuse / without: {statistics.median(shares):.2f} ({min(shares):.2f}..{max(shares):.2f}), target <= 0.25"
    )


def bench_gap(bench: Bench) -> None:
    """The longest silence of a running stream while a prompt of 2,000 tokens is read, in steps and pieces."""
    engine = bench.engine("packed")
    for number in range(3):
        times: list[float] = []
        pieces: list[float] = []

        def note(event: Event, times: list[float] = times) -> None:
            if isinstance(event, TextDelta):
                times.append(time.perf_counter())

        def note_piece(event: Event, pieces: list[float] = pieces) -> None:
            if isinstance(event, Progress):
                pieces.append(time.perf_counter())

        stream = threading.Thread(target=ask, args=(engine, bench.prompt(7), 160, note))
        stream.start()
        while len(times) < 20:
            time.sleep(0.01)
        step = statistics.median(b - a for a, b in pairwise(times))
        long = engine.tokenize(f"{number} " + " ".join(WORDS * 260))[:2000]
        ask(engine, long, 1, note_piece)
        stream.join()
        gap = max(b - a for a, b in pairwise(times))
        piece = max(b - a for a, b in pairwise(pieces)) - step
        print(
            f"longest gap {gap:.3f} s; a step takes {step:.3f} s, the longest piece {piece:.3f} s; target <= {3 * step + piece:.3f} s",
            flush=True,
        )


def bench_memory(bench: Bench) -> None:
    """What four chats of 2,000 tokens add to the process, beside the budget for past prompts."""
    engine = bench.engine("plain", prompt_cache_mib=64)
    ask(engine, engine.tokenize(STORY), 4)
    worker = psutil.Process(engine.pid)
    before = worker.memory_info().rss
    prompts = [engine.tokenize(f"{number} " + " ".join(WORDS * 260))[:2000] for number in range(4)]
    speed_together(engine, prompts, 16)
    added = (worker.memory_info().rss - before) / 2**20
    states = 4 * 2016 * bench.model.shape.kv_bytes_per_token() / 2**20
    print(
        f"four chats of 2,000 tokens add {added:.0f} MiB; their keys and values take {states:.0f} MiB, the budget is 64 MiB"
    )


def bench_lookup(bench: Bench) -> None:
    """Prompt lookup against the same engine without it, where the reply copies its prompt and where it does not."""
    copied = "the quick brown fox jumps over the lazy dog while seven wizards bake blue bread in a quiet harbour town. "
    for name, text in (("copying", copied * 6), ("a story", STORY.format(3))):
        for weights in ("packed", "int4"):
            prompt = bench.engine(weights).tokenize(text)

            def speed(options: dict[str, str], prompt: list[int] = prompt, weights: str = weights) -> float:
                return ask(bench.engine(weights, **options), prompt, TOKENS).tokens_per_second

            compare(
                f"prompt lookup, {weights}, {name}",
                lambda _, speed=speed: speed({"speculation": "lookup"}),
                lambda _, speed=speed: speed({}),
                "-",
            )


def bench_constraint(bench: Bench) -> None:
    """What following a JSON schema costs a token, once it is compiled."""
    engine = bench.engine("int4")
    item = '{"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}}, "required": ["name", "age"]}'
    schema = Constraint("json_schema", f'{{"type": "array", "items": {item}, "minItems": 40}}')
    ask(engine, bench.prompt(1), 4, constraint=schema)
    costs: list[float] = []
    for number in range(ROUNDS):
        followed = ask(engine, bench.prompt(number), TOKENS, constraint=schema)
        free = ask(engine, bench.prompt(number), TOKENS)
        costs.append(1000 / followed.tokens_per_second - 1000 / free.tokens_per_second)
    print(
        f"a JSON schema costs {statistics.median(costs):.2f} ms a token ({min(costs):.2f}..{max(costs):.2f}), target <= 1"
    )


def main() -> None:
    print("load", os.getloadavg(), "cores", os.cpu_count())
    folder = Path(tempfile.mkdtemp(prefix="parlor-bench-"))
    link_or_copy(PROJECT / "models" / STARTER.file_name, folder / STARTER.file_name)
    convert = [sys.executable, str(PROJECT / "webui.py"), "convert", "starter", "starter-hf", "--models", str(folder)]
    subprocess.run(convert, check=True, capture_output=True)
    bench = Bench(folder / "starter-hf")
    chosen = sys.argv[1:]
    every = (bench_decode, bench_together, bench_reuse, bench_gap, bench_memory, bench_lookup, bench_constraint)
    for one in every:
        if not chosen or one.__name__.removeprefix("bench_") in chosen:
            one(bench)
    bench.close()


if __name__ == "__main__":
    main()
