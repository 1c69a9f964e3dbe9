"""Predicted and measured memory and speed of this machine, for every engine and many options.

usage: python -m tests.benchmarks.oracle [--memory] [MODELS_FOLDER]

Run it with nothing else running. MODELS_FOLDER holds the starter model as `starter` and converted as `starter-hf`;
other GGUF files in it are measured too. `--memory` leaves the speeds out. Memory is the peak of the worker's
proportional set size after a full-context prompt, minus an empty worker of its engine; a cross marks what is off by more
than 10 % and 20 MiB. Speeds are told for a fresh database, and after three runs were recorded in it.

To set the constants of speed (EFFICIENCY and LAYER_SECONDS in engines/llamacpp/memory.py and engines/hf/footprint.py):
LAYER_SECONDS first, from the tiny models of the last lines, whose weights cost nothing (seconds a token / layers); then
each EFFICIENCY as the `efficiency` column says.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.children import Launcher
from modules.engines.hf.kind import HF
from modules.engines.llamacpp.kind import LLAMACPP
from modules.engines.protocol import EngineKind
from modules.library.library import Library
from modules.machine import identity, read_machine, usable_cores
from modules.machine_probe import SECONDS
from modules.machine_probe import measure as measure_bandwidth
from modules.services.correction import SPEED, corrected
from modules.types.local_model import LocalModel
from modules.types.model_runs import ModelRun
from tests.engines.memory_probe import MIB, measure, tolerance
from tests.engines.tiny_models import make_folder

LLAMACPP_OPTIONS: tuple[dict[str, Any], ...] = (
    {"context_length": 512, "slots": 1},
    {"context_length": 2048, "slots": 1},
    {"context_length": 2048, "slots": 4},
    {"context_length": 8192, "slots": 1},
    {"context_length": 2048, "slots": 1, "cache_type": "q8_0"},
    {"context_length": 2048, "slots": 1, "cache_type": "q4_0"},
    {"context_length": 2048, "slots": 1, "batch_tokens": 512},
    {"context_length": 2048, "slots": 1, "flash_attention": "off"},
    {"context_length": 1024, "slots": 1, "mmap": False},
)
HF_OPTIONS: tuple[dict[str, Any], ...] = (
    {"context_length": 512, "slots": 1},
    {"context_length": 1024, "slots": 8},
    {"context_length": 2048, "slots": 1},
    {"context_length": 1024, "slots": 1, "weights": "plain"},
    {"context_length": 1024, "slots": 1, "weights": "int4"},
    {"context_length": 512, "slots": 1, "weights": "int8"},
    {"context_length": 512, "slots": 1, "weights": "nf4"},
    {"context_length": 512, "slots": 1, "dtype": "float32"},
)


TINY = ("llama", "gemma3", "mixtral", "gpt2", "mamba")
# Half a second or a tenth of one says little on a machine with neighbours.
ANSWER_TOKENS, TINY_ANSWER_TOKENS = 192, 400


@dataclass(frozen=True)
class Case:
    kind: EngineKind
    model: LocalModel
    options: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    bandwidth = measure_bandwidth(usable_cores(), SECONDS)
    print(f"{identity()}, {bandwidth / 1e9:.1f} GB/s")
    launcher = Launcher()
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(arguments.folder, Path(scratch)):
            compare(launcher, case, 0.0 if arguments.memory else bandwidth)
    launcher.close()


def cases(folder: Path, scratch: Path) -> Iterator[Case]:
    for name in TINY:
        make_folder(scratch / f"tiny-{name}", name)
    for model in (*Library(folder).models(), *Library(scratch).models()):
        if model.format == "gguf":
            yield from (Case(LLAMACPP, model, options) for options in LLAMACPP_OPTIONS)
        elif model.format == "safetensors":
            own = ({},) if model.id.startswith("tiny") else HF_OPTIONS
            yield from (Case(HF, model, options) for options in own)


def compare(launcher: Launcher, case: Case, bandwidth: float) -> None:
    """A `bandwidth` of 0 leaves the speed out."""
    kind, model, options = case.kind, case.model, case.options
    chosen = kind.options.model_validate(options)
    predicted = kind.estimate(model, chosen, read_machine(())).total_bytes
    found = measure(launcher, kind, model, options, answer_tokens=answer_tokens(model) if bandwidth else 0)
    error = predicted - found.peak_bytes
    sign = "x" if abs(error) > tolerance(found.peak_bytes) else " "
    said = ", ".join(f"{name}={value}" for name, value in options.items())
    print(
        f"{sign} {kind.name:12} {model.id:14} {said:56} {predicted / MIB:7.0f} MiB predicted {found.peak_bytes / MIB:7.0f} "
        f"measured {error / found.peak_bytes:+6.1%}",
        flush=True,
    )
    if bandwidth and kind.token_cost is not None:
        compare_speed(launcher, case, bandwidth, found.tokens_per_second)


def compare_speed(launcher: Launcher, case: Case, bandwidth: float, first: float) -> None:
    kind, model, options = case.kind, case.model, case.options
    assert kind.token_cost is not None
    cost = kind.token_cost(model, kind.options.model_validate(options))
    raw = cost.tokens_per_second(bandwidth)
    short, tokens = {**options, "context_length": 512}, answer_tokens(model)
    speeds = [first, *(measure(launcher, kind, model, short, answer_tokens=tokens).tokens_per_second for _ in "ab")]
    runs = [ModelRun(model.id, kind.name, cost.variant, "speed", raw, speed, 0.0) for speed in speeds]
    last = measure(launcher, kind, model, short, answer_tokens=tokens).tokens_per_second
    learnt = corrected(raw, SPEED, runs, model.id, cost.variant).value
    busy = max(1 / last - cost.overhead_seconds, 1e-9)
    print(
        f"    tokens/s: {raw:.1f} predicted {first:.1f} measured {raw / first - 1:+.0%}; after three runs {learnt:.1f}, "
        f"{last:.1f} measured {learnt / last - 1:+.0%}; efficiency {cost.read_bytes / bandwidth / busy:.2f}, "
        f"{1 / last / max(model.shape.layers, 1) * 1e6:.0f} us a layer",
        flush=True,
    )


def answer_tokens(model: LocalModel) -> int:
    return TINY_ANSWER_TOKENS if model.id.startswith("tiny") else ANSWER_TOKENS


if __name__ == "__main__":
    main()
