"""Predicted and measured memory and time of whole finetuning runs, planned and carried out by the App.

usage: python -m tests.benchmarks.training_prediction MODEL_FOLDER [steps=6] [only=0,6]

The model's folder is one in Hugging Face format, such as the starter converted. Nothing else should compute meanwhile.
`only` are the places of some of the ways below.
A prediction is wanted within 25 % of what the run took; each run is planned twice, before any was made and at the end,
with what all of them taught (a second figure).

The constants of modules/training/footprint.py were set with such runs; tests/training/test_footprint.py holds them.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from modules.app import App, build_app
from modules.settings import Settings
from modules.training.samples import line_of
from modules.types.datasets import DataSource
from modules.types.recipes import Recipe
from modules.types.training import Prediction, TrainingRun
from tests.benchmarks.finetuning_recipes import chats

MIB = 2**20
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"max_length": 1024},
    {"gradient_checkpointing": True},
    {"base_weights": "float32"},
    {"packing": False, "batch_size": 4},
    {"method": "dora"},
    {"method": "full"},
    {"method": "prompt_tuning"},
    {"base_weights": "nf4"},
)


def main() -> None:
    arguments = dict(each.split("=") for each in sys.argv[2:])
    steps = int(arguments.get("steps", 6))
    ways = [WAYS[int(place)] for place in arguments["only"].split(",")] if "only" in arguments else list(WAYS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(Path(sys.argv[1]), folder / "models" / "taught")
        write_chats(folder / "chats.jsonl")
        app = build_app(Settings(data=folder / "data", models=folder / "models"))
        try:
            told = [measure(app, folder, steps, number, fields) for number, fields in enumerate(ways)]
            for (recipe, before, run), fields in zip(told, ways, strict=True):
                print(line(fields, before, app.finetuning.training.plan(recipe).prediction, run))
        finally:
            app.close()


def write_chats(path: Path) -> None:
    rows = ({"messages": messages(line_of(chat)["turns"])} for chat in chats())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def messages(turns: list[list[Any]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content, _ in turns]


def measure(
    app: App, folder: Path, steps: int, number: int, fields: dict[str, Any]
) -> tuple[Recipe, Prediction, TrainingRun]:
    data = DataSource(path=str(folder / "chats.jsonl"))
    recipe = Recipe.model_validate({"model": "taught", "name": f"run {number}", "data": data, "steps": steps, **fields})
    plan = app.finetuning.training.plan(recipe)
    run = app.finetuning.training.start(plan.recipe)
    while run.record.state in {"queued", "running"}:
        time.sleep(0.5)
        run = app.finetuning.training.get(run.record.name)
    assert run.record.state == "done", run.record.error
    return plan.recipe, plan.prediction, run


def line(fields: dict[str, Any], before: Prediction, after: Prediction, run: TrainingRun) -> str:
    """Memory in MiB and seconds: predicted, predicted at the end, measured; seconds of all, of steps, and besides."""
    summary, record = run.summary, run.record
    assert summary.metrics is not None
    assert record.started is not None
    assert record.ended is not None
    what = ", ".join(f"{name} {value}" for name, value in fields.items()) or "as advised"
    peak, whole = summary.peak_memory_bytes, record.ended - record.started
    spent = [(*split(told, summary.metrics.tokens), told.seconds or 0.0) for told in (before, after)]
    spent.append((summary.step_seconds, whole - summary.step_seconds, whole))
    steps, besides, all_seconds = (" ".join(f"{one:.0f}" for one in column) for column in zip(*spent, strict=True))
    return (
        f"{what:30} memory {before.memory_bytes / MIB:.0f} {after.memory_bytes / MIB:.0f} {peak / MIB:.0f} "
        f"({before.memory_bytes / peak - 1:+.0%})  seconds {all_seconds} ({(before.seconds or 0) / whole - 1:+.0%})  "
        f"steps {steps}  besides {besides}"
    )


def split(told: Prediction, tokens: int) -> tuple[float, float]:
    """Seconds of steps, and those besides: starting, evaluations, answers, checkpoints."""
    steps = tokens / told.tokens_per_second if told.tokens_per_second else 0.0
    return steps, (told.seconds or 0.0) - steps


if __name__ == "__main__":
    main()
