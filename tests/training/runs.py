"""Runs of tiny models on tiny tasks: their folders, as a service would write them before the start."""

import json
from pathlib import Path
from typing import Any

from modules.storage.recipe_files import written_recipe
from modules.types.datasets import DataSource
from modules.types.recipes import Recipe
from tests.engines.tiny_models import words

FIELDS: dict[str, Any] = {
    "model": "tiny",
    "name": "trial",
    "data": DataSource(dataset="samples"),
    "objective": "text",
    "method": "lora",
    "base_weights": "float32",
    "targets": ("all-linear",),
    "rank": 4,
    "alpha": 8,
    "max_length": 48,
    "packing": True,
    "batch_size": 1,
    "accumulation": 2,
    "steps": 4,
    "learning_rate": 0.01,
    "optimizer": "adamw",
    "gradient_checkpointing": False,
    "evaluate_every": 2,
    "checkpoint_every": 2,
}


def make_recipe(**fields: Any) -> Recipe:
    return Recipe(**{**FIELDS, **fields})


def samples(count: int, start: int = 0) -> list[str]:
    """Texts in which each word is followed by the next one, of 4 to 16 words."""
    return [words([2 + (7 * i + k) % 150 for k in range(4 + i % 13)]) for i in range(start, start + count)]


def make_run(folder: Path, recipe: Recipe, count: int = 24) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(written_recipe(recipe), encoding="utf-8")
    write_texts(folder / "samples.jsonl", samples(count))
    write_texts(folder / "evaluation.jsonl", samples(5, start=count))
    return folder


def write_texts(path: Path, texts: list[str]) -> None:
    lines = [json.dumps({"row": row, "file": "", "text": text}) for row, text in enumerate(texts, 1)]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def metrics(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if kind in {"", line["kind"]}]
