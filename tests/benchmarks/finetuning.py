"""Our finetuning against transformers' Trainer and trl's SFTTrainer: tokens a second and peak memory, interleaved.

usage: python -m tests.benchmarks.finetuning MODEL_FOLDER [rounds=3] [steps=6]
The model's folder is one in Hugging Face format, such as the starter converted. Needs trl (tests/benchmarks/
requirements.txt). LoRA of rank 8 on all linear layers, chats of about 100 tokens, learned whole; each way in a process
of its own. Nothing else should compute meanwhile.
"""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

from modules.paths import PROJECT
from modules.training.worker import SPIN_COUNT

# What our own training process sets before PyTorch is imported.
OURS = {"GOMP_SPINCOUNT": SPIN_COUNT}
WAYS = ("ours", "trl_packing", "trainer_bfloat16", "trainer_float32")


@dataclass
class Figures:
    """Of one way, a value for each round."""

    tokens_per_second: list[float] = field(default_factory=list[float])
    peak_gib: list[float] = field(default_factory=list[float])


def measure(folder: str, way: str, steps: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.finetuning_recipes", folder, way, str(steps)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **(OURS if way == "ours" else {})},
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def ratio(values: list[float], reference: list[float]) -> str:
    """Of the rounds, each against its own reference."""
    return spread([value / other for value, other in zip(values, reference, strict=True)])


def main() -> None:
    arguments = dict(each.split("=") for each in sys.argv[2:])
    folder, rounds, steps = sys.argv[1], int(arguments.get("rounds", 3)), int(arguments.get("steps", 6))
    figures = {way: Figures() for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            told = measure(folder, way, steps)
            figures[way].tokens_per_second.append(told["tokens_per_second"])
            figures[way].peak_gib.append(told["peak_bytes"] / 2**30)
            load = os.getloadavg()[0]
            print(f"round {number + 1} {way}: {told['tokens_per_second']:.1f} tokens/s, load {load:.1f}", flush=True)
    for way, each in figures.items():
        print(f"{way}: {spread(each.tokens_per_second)} tokens/s, peak {spread(each.peak_gib)} GiB")
    own = figures["ours"]
    speeds = {way: ratio(own.tokens_per_second, each.tokens_per_second) for way, each in figures.items()}
    print(f"real tokens/s vs Trainer, bfloat16, padded to 512: {speeds['trainer_bfloat16']} (reach 5)")
    print(f"real tokens/s vs trl with packing: {speeds['trl_packing']} (reach 1.4)")
    print(
        f"peak memory vs Trainer, float32, padded: {ratio(own.peak_gib, figures['trainer_float32'].peak_gib)} (reach 0.35)"
    )
    told = measure(folder, "losses", steps)
    print(f"loss packed vs alone: {told['difference']:.3%}, worst pack {told['worst_pack']:.3%} (reach 0.5 %)")


if __name__ == "__main__":
    main()
