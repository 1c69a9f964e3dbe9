"""The card says data, method, figures and limits, and nothing of this machine or of the samples."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules.library.adapters import AdapterLibrary
from modules.library.library import Library
from modules.services.export_sources import ExportSource, ExportSources
from modules.services.model_card import model_card
from modules.services.pushing import published_files
from modules.storage.plain_yaml import read_mapping
from modules.storage.training_runs import EVALUATION, METRICS, SAMPLES, TrainingStore
from modules.types.recipes import Recipe
from modules.types.training import EvaluationMetrics, RunRecord, StepMetrics
from tests.engines.tiny_adapters import make_adapter
from tests.engines.tiny_models import make_folder

SECRET = "/home/someone/secret plans.jsonl"


def source_of(tmp_path: Path, losses: tuple[float, ...] = (3.0, 2.5, 2.7), **recipe: Any) -> ExportSource:
    models, store = tmp_path / "models", TrainingStore(tmp_path / "training")
    make_adapter(make_folder(models / "tiny", "llama"), models / "adapters" / "pirate", ["q_proj"])
    whole = Recipe.model_validate(
        {
            "model": "tiny",
            "name": "pirate",
            "data": {"path": SECRET},
            "method": "lora",
            "objective": "chat",
            "rank": 8,
            "alpha": 16,
            "learning_rate": 2e-4,
            "probes": ["What is the secret?"],
            **recipe,
        }
    )

    def fill(folder: Path) -> RunRecord:
        (folder / SAMPLES).write_text('{"text":"a secret sample"}\n' * 37)
        (folder / EVALUATION).write_text('{"text":"a secret sample"}\n' * 3)
        # As the training marks them: the model before the run is never the best.
        lines = [
            EvaluationMetrics(step=10 * place, loss=loss, is_best=place > 0 and loss == min(losses[1 : place + 1]))
            for place, loss in enumerate(losses)
        ]
        step = StepMetrics(
            step=20, epoch=1.5, loss=2.2, learning_rate=0, gradient_norm=1, tokens=9, trained_tokens=5,
            tokens_per_second=100, memory_bytes=10**9, seconds=90,
        )  # fmt: skip
        (folder / METRICS).write_text("".join(one.model_dump_json() + "\n" for one in [*lines, step]))
        return RunRecord(name="pirate", state="done", created=0, data_fingerprint="abc123", versions={"peft": "0.21.2"})

    store.create(whole, fill)
    return ExportSources(AdapterLibrary(models / "adapters"), Library(models), store).find("pirate")


def front_matter(card: str) -> dict[str, Any]:
    return read_mapping(card.split("---\n")[1])


def test_what_it_says(tmp_path: Path) -> None:
    card = model_card(source_of(tmp_path))
    for said in (
        "37 samples were learned from, and 3 held out",
        "`abc123`",
        "| method | LoRA |",
        "| rank, alpha | 8, 16 |",
        "| learning rate | 0.0002, cosine, warm-up 3% |",
        "| steps | 20 |",
        "| time | 1.5 minutes |",
        "| held-out loss before | 3.0000 (perplexity 20.09) |",
        "| held-out loss after | 2.5000 (perplexity 12.18) |",
        "| made with | peft 0.21.2 |",
        "## Limits",
        "Nobody has measured its facts",
    ):
        assert said in card, said
    assert front_matter(card) == {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["parlor", "finetuned", "lora"],
    }
    for kept in (SECRET, "secret", str(tmp_path)):
        assert kept not in card


@pytest.mark.parametrize(
    ("recipe", "losses", "said"),
    [
        ({"data": {"hub": "someone/recipes"}}, (3.0, 2.0), "The dataset someone/recipes on the hub, split train."),
        ({"data": {"conversations": {}}}, (3.0, 2.0), "Conversations of its maker's own, which are not published."),
        ({}, (), "No samples were held out"),
        ({}, (2.0, 2.5), "no better than the base model"),
        ({"keep_best": False}, (3.0, 2.0, 2.5), "| held-out loss after | 2.5000"),
    ],
    ids=["hub", "conversations", "nothing held out", "worse", "the last one"],
)
def test_other_runs(tmp_path: Path, recipe: dict[str, Any], losses: tuple[float, ...], said: str) -> None:
    assert said in model_card(source_of(tmp_path, losses, **recipe))


def test_without_a_run(tmp_path: Path) -> None:
    models = tmp_path / "models"
    make_adapter(make_folder(models / "tiny", "llama"), models / "adapters" / "found", ["q_proj"])
    sources = ExportSources(AdapterLibrary(models / "adapters"), Library(models), TrainingStore(tmp_path / "none"))
    assert "not known to the program" in model_card(sources.find("found"))
    assert "## Figures" not in model_card(sources.find("found"))


def test_only_what_is_needed_is_published(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    assert source.adapter is not None
    (source.adapter.path / "parlor-recipe.yaml").write_text(f"data: {SECRET}")
    (source.adapter.path / "notes.txt").write_text(SECRET)
    files = published_files(source)
    assert set(files) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    config = files["adapter_config.json"]
    assert isinstance(config, bytes)
    assert json.loads(config)["base_model_name_or_path"] == "tiny"
    assert str(tmp_path) not in config.decode()
