"""What int4 costs in quality, against bitsandbytes' formats and the weights as they are, on text never seen in training.

usage: python -m tests.benchmarks.int4_quality [FOLDER] [MINUTES]
Trains a small llama into FOLDER first, unless it is there already (12 minutes by default); then also asks the starter
model, whose weights lie on a grid of 4 bits from the beginning, so that it says little about int4.
"""

import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from modules.engines.hf.kind import HfOptions, Weights
from modules.engines.hf.linears import INT4_ROWS
from modules.engines.hf.loading import load_model
from modules.library.library import Library
from modules.library.starter import STARTER
from modules.paths import PROJECT
from modules.types.local_model import LocalModel
from tests.benchmarks.standard_library_model import HELD_OUT, held_out_windows, library_texts, tokens_of, train
from tests.conftest import link_or_copy

FORMS: tuple[Weights, ...] = ("packed", "int4", "nf4", "int8")
WINDOWS = 48
WINDOW = 256
STARTER_WINDOWS = 12


@dataclass
class Tally:
    """Over all places: nats of the true next token, KL divergence from the reference, equal first choices."""

    losses: list[Tensor] = field(default_factory=list)
    divergences: list[Tensor] = field(default_factory=list)
    agreements: list[Tensor] = field(default_factory=list)

    def add(self, logprobs: Tensor, reference: Tensor, targets: Tensor) -> None:
        """Both [places, vocabulary] in nats; `targets` int64 [places]."""
        self.losses.append(-logprobs.gather(1, targets[:, None])[:, 0])
        self.divergences.append((reference.exp() * (reference - logprobs)).sum(-1).clamp_min(0))
        self.agreements.append((logprobs.argmax(-1) == reference.argmax(-1)).float())

    @property
    def perplexity(self) -> float:
        return math.exp(torch.cat(self.losses).mean().item())

    def row(self, name: str, reference: float) -> str:
        kl = torch.cat(self.divergences)
        return (
            f"| {name} | {self.perplexity:.3f} | {self.perplexity / reference:.4f} | {kl.mean().item():.5f} | "
            f"{kl.quantile(0.99).item():.4f} | {torch.cat(self.agreements).mean().item():.1%} |"
        )


def next_token_logprobs(model: Any, tokens: Tensor) -> Tensor:
    """[tokens, vocabulary] in nats, computed in steps of the few rows for which int4 uses its own kernel."""
    cache = DynamicCache(config=model.config)
    logits = [
        model(input_ids=tokens[None, start : start + INT4_ROWS], past_key_values=cache, use_cache=True).logits[0]
        for start in range(0, len(tokens), INT4_ROWS)
    ]
    return torch.cat(logits).float().log_softmax(-1)


@torch.inference_mode()
def compare(folder: Path, count: int) -> None:
    """Prints a table; the first form is the reference, and every form reads the same windows."""
    found = Library(folder.parent).find(folder.name)
    loaded = {form: load(found, form) for form in FORMS}
    tokenizer = loaded[FORMS[0]][1]
    tallies = {form: Tally() for form in FORMS}
    held_out = tokens_of(tokenizer, library_texts(HELD_OUT))
    for window in held_out_windows(held_out, count, WINDOW):
        logprobs = {form: next_token_logprobs(model, window[:-1]) for form, (model, _) in loaded.items()}
        for form in FORMS:
            tallies[form].add(logprobs[form], logprobs[FORMS[0]], window[1:])
    print(f"{folder.name}, {count * (WINDOW - 1):,} tokens")
    print("| weights | perplexity | ratio | KL mean | KL p99 | same first choice |\n|---|---|---|---|---|---|")
    for form in FORMS:
        print(tallies[form].row(form, tallies[FORMS[0]].perplexity), flush=True)


def load(model: LocalModel, form: Weights) -> tuple[Any, Any]:
    """On one thread: helpers that spin for a small model's short operations only slow it down."""
    options = HfOptions(weights=form, dtype="bfloat16", threads=1)
    return load_model(model, options, lambda *_: None, tempfile.mkdtemp())


def starter_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="parlor-bench-"))
    link_or_copy(PROJECT / "models" / STARTER.file_name, folder / STARTER.file_name)
    command = [sys.executable, str(PROJECT / "webui.py"), "convert", "starter", "starter-hf", "--models", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "starter-hf"


def main() -> None:
    default = Path(tempfile.gettempdir()) / "parlor-bench-models" / "standard-library"
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else default
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 12
    if not (folder / "config.json").is_file():
        train(folder, seconds=60 * minutes)
    compare(folder, WINDOWS)
    compare(starter_folder(), STARTER_WINDOWS)


if __name__ == "__main__":
    main()
