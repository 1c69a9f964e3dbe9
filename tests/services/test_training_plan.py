"""Recipes become plans: choices with reasons, predictions, and refusals in words."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.children import Launcher
from modules.errors import BadRequest
from modules.library.folders import read_model_folder
from modules.paths import Paths
from modules.services.training_plan import TrainingPlanner
from modules.storage.database import Database
from modules.storage.model_runs import ModelRunStore
from modules.types.datasets import DataSource, Example, Turn
from modules.types.local_model import LocalModel
from modules.types.machine import Machine
from modules.types.recipes import Recipe
from modules.types.training import MetricsSummary, RunRecord, StepMetrics, TrainingPlan, TrainingRun
from tests.engines.tiny_models import make_folder
from tests.training.tiny_tokenizers import byte_tokenizer

GIB = 2**30
ROWS: dict[str, list[Example]] = {
    "chats": [
        Example(turns=(Turn("user", f"What is {n}?"), Turn("assistant", f"{n} is a number. " * (1 + n % 3))), row=n)
        for n in range(1, 101)
    ],
    "few": [Example(turns=(Turn("user", f"{n}?"), Turn("assistant", "yes")), row=n) for n in range(1, 11)],
    "text": [Example(text="Once upon a time. " * 60, row=n) for n in range(1, 31)],
    "questions": [Example(turns=(Turn("user", "What?"),), row=n) for n in range(1, 11)],
    "empty": [],
}


class Desk:
    """A planner with tiny models and a machine of a stated size."""

    def __init__(self, folder: Path, models: Path, launcher: Launcher) -> None:
        self.machine = Machine(cores=2, memory_bytes=24 * GIB, available_bytes=16 * GIB)
        self.runs = ModelRunStore(Database.open(folder / "parlor.db"), "test")
        self.models = models
        self.template = ""
        self.planner = TrainingPlanner(
            Paths(data=folder / "data", models=models, extensions=folder, presets=folder),
            self.find,
            lambda source: iter(ROWS[source.path]),
            launcher,
            machine=lambda: self.machine,
            runs=self.runs,
            chat_template=lambda _model: self.template,
        )

    def find(self, name: str) -> tuple[LocalModel, Path]:
        path = self.models / name
        found = read_model_folder(path)
        return LocalModel(name, name, "safetensors", path, found.size_bytes, shape=found.shape), path

    def plan(self, data: str = "chats", **fields: Any) -> TrainingPlan:
        return self.planner.plan(recipe(data, **fields))


def recipe(data: str = "chats", **fields: Any) -> Recipe:
    return Recipe.model_validate({"model": "llama", "name": "n", "data": DataSource(path=data), **fields})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for kind, layers in (("llama", {"num_hidden_layers": 12}), ("mamba", {}), ("gpt2", {})):
        make_folder(folder / kind, kind, vocab_size=300, **layers)
        byte_tokenizer().save_pretrained(folder / kind)
    return folder


@pytest.fixture(scope="module")
def desk(models: Path, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"), models, launcher)
    yield desk
    desk.planner.close()


def test_every_open_field_is_chosen_with_a_reason(desk: Desk) -> None:
    plan = desk.plan()
    left = {name for name, value in plan.recipe if value is None}
    assert left == {"steps", "prompt_tokens", "evaluation_data"}
    chosen = {name for name, value in recipe() if value is None} - left
    assert set(plan.reasons) == chosen
    assert all(len(reason) > 8 for reason in plan.reasons.values())
    assert plan.recipe.objective == "chat"
    assert plan.recipe.packing
    assert not plan.refusal
    assert plan.prediction.steps > 0
    assert plan.prediction.seconds is not None
    assert plan.prediction.memory_bytes > 100 * 2**20
    assert plan.facts.samples == 100


@pytest.mark.parametrize(
    "fields", [{}, {"steps": 7}, {"method": "full"}, {"method": "prompt_tuning"}, {"packing": False}]
)
def test_planning_a_planned_recipe_changes_nothing(desk: Desk, fields: dict[str, Any]) -> None:
    planned = desk.plan(**fields).recipe
    again = desk.planner.plan(planned)
    assert again.recipe == planned
    assert dict(again.reasons) == {}


def test_what_a_person_sets_stays(desk: Desk) -> None:
    fields = {"rank": 4, "learning_rate": 0.1, "packing": False, "max_length": 100, "evaluate_every": 3, "steps": 9}
    plan = desk.plan(**fields)
    assert {name: value for name, value in plan.recipe if name in fields} == fields
    assert not set(plan.reasons) & set(fields)
    assert plan.prediction.steps == 9


def test_texts_become_samples_of_one_length(desk: Desk) -> None:
    plan = desk.plan("text", max_length=256)
    assert plan.recipe.objective == "text"
    assert plan.facts.longest == 256
    assert plan.facts.samples == 30 * 5
    assert not plan.facts.truncated_count


def test_longer_samples_are_told(desk: Desk) -> None:
    plan = desk.plan(max_length=64)
    assert plan.facts.truncated_count > 0
    assert any("lose their end" in warning for warning in plan.warnings)


def test_another_chat_template_in_use_is_told(desk: Desk) -> None:
    desk.template = "alpaca"
    told = [warning for warning in desk.plan().warnings if "chat template alpaca" in warning]
    desk.template = ""
    assert len(told) == 1


def test_a_recurrent_model_is_not_packed(desk: Desk) -> None:
    plan = desk.plan(model="mamba")
    assert plan.recipe.packing is False
    assert "mamba" in plan.reasons["packing"]
    assert "packing off" in desk.plan(model="mamba", packing=True).refusal


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"targets": ("q_projx", "v_proj")}, "called q_projx. Its layers are called: down_proj, "),
        ({"max_length": 1024}, "longer than the model can read, which is 512"),
        ({"max_length": 512, "method": "prompt_tuning", "prompt_tokens": 8}, "Set max_length to 504"),
        ({"method": "full", "base_weights": "nf4"}, "cannot be kept as nf4"),
        ({"processes": 3, "machines": 2, "main_address": "a"}, "Set processes to a multiple of 2"),
        ({"processes": 2, "machines": 2}, "Set main_address"),
    ],
)
def test_what_cannot_be_trained_is_refused(desk: Desk, fields: dict[str, Any], said: str) -> None:
    assert said in desk.plan(**fields).refusal


@pytest.mark.parametrize(
    ("data", "fields", "said"),
    [
        ("empty", {}, "not one sample"),
        ("questions", {}, "Row 1: It has no assistant's turn"),
        ("chats", {"max_length": 8}, "No sample is left"),
        ("few", {"evaluation_share": 0.01}, "holds out none to judge by"),
        ("few", {"evaluation_data": {"path": "questions"}}, "Row 1 of evaluation_data: It has no assistant's turn"),
        ("chats", {"evaluation_data": {"path": "empty"}}, "not one sample"),
    ],
)
def test_nothing_to_learn_or_to_judge_by_is_refused(desk: Desk, data: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        desk.plan(data, **fields)


def test_a_patience_without_evaluations_is_told(desk: Desk) -> None:
    assert any("patience" in warning for warning in desk.plan(patience=3, evaluation_share=0).warnings)
    assert not any("patience" in warning for warning in desk.plan(patience=3, evaluation_share=0.1).warnings)


def test_few_samples_are_all_learned(desk: Desk) -> None:
    plan = desk.plan("few")
    assert plan.recipe.evaluation_share == 0
    assert any("memorise" in warning for warning in plan.warnings)


@pytest.fixture
def small(desk: Desk) -> Iterator[Callable[[float], None]]:
    whole = desk.machine

    def shrink(share: float) -> None:
        """To this share of what a run of default size needs beyond what any run needs."""
        most, least = desk.plan(gradient_checkpointing=False, max_length=512), desk.plan(**LEAST)
        needed, fixed = most.prediction.memory_bytes, least.prediction.memory_bytes
        desk.machine = replace(whole, available_bytes=int((fixed + share * (needed - fixed)) / 0.95))

    yield shrink
    desk.machine = whole


LEAST: dict[str, Any] = {"gradient_checkpointing": True, "max_length": 128, "packing": True, "batch_size": 1}


def test_what_would_not_fit_is_made_to_fit(desk: Desk, small: Callable[[float], None]) -> None:
    small(0.6)
    plan = desk.plan()
    assert not plan.refusal
    assert plan.recipe.gradient_checkpointing
    assert "would not fit" in plan.reasons["gradient_checkpointing"]
    assert desk.planner.plan(plan.recipe).recipe == plan.recipe


def test_what_cannot_fit_is_refused_with_what_would(desk: Desk, small: Callable[[float], None]) -> None:
    small(0.6)
    planned = desk.plan(gradient_checkpointing=False, max_length=512)
    assert "of memory" in planned.refusal
    assert "What would fit: gradient_checkpointing on." in planned.remedies
    assert not desk.plan(gradient_checkpointing=True, max_length=512).refusal
    desk.machine = replace(desk.machine, available_bytes=2**20)
    hopeless = desk.plan()
    assert "of memory" in hopeless.refusal
    assert any("smaller model" in remedy for remedy in hopeless.remedies)


def test_too_many_processes_are_refused_with_fewer(desk: Desk, small: Callable[[float], None]) -> None:
    small(0.6)
    many = {**LEAST, "processes": 4, "accumulation": 1}
    desk.machine = replace(desk.machine, available_bytes=desk.plan(**many).prediction.memory_bytes * 3 // 4)
    assert "What would fit: processes 2 with accumulation 2." in desk.plan(**many).remedies
    assert not desk.plan(**many, machines=2, main_address="first").refusal


def test_a_full_disk_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.services.plan_draft.free_disk", lambda _folder: 1000)
    plan = desk.plan()
    assert "of disk" in plan.refusal
    assert plan.remedies


def test_later_predictions_learn_from_runs(desk: Desk) -> None:
    plan = desk.plan(seed=7)
    told = plan.prediction
    record = RunRecord(
        name="n",
        state="done",
        created=0.0,
        calculated_memory_bytes=told.calculated_memory_bytes,
        calculated_tokens_per_second=told.calculated_tokens_per_second,
    )
    tokens = 1000
    metrics = StepMetrics(
        step=10,
        epoch=1.0,
        loss=1.0,
        learning_rate=1e-4,
        gradient_norm=1.0,
        tokens=tokens,
        trained_tokens=500,
        tokens_per_second=1.0,
        memory_bytes=0,
        seconds=1.0,
    )
    summary = MetricsSummary(
        metrics=metrics,
        peak_memory_bytes=3 * told.calculated_memory_bytes,
        step_seconds=2 * tokens / (told.calculated_tokens_per_second or 1),
    )
    for _ in range(3):
        desk.planner.learn(TrainingRun(record, plan.recipe, summary))
    after = desk.plan(seed=7).prediction
    assert after.memory_bytes == pytest.approx(3 * told.calculated_memory_bytes)
    assert after.tokens_per_second == pytest.approx((told.calculated_tokens_per_second or 0) / 2)
    assert after.calculated_memory_bytes == told.calculated_memory_bytes


def test_the_lens_shows_packs_as_they_are_learned(desk: Desk) -> None:
    planned = desk.plan().recipe
    whole, total = desk.planner.lens(planned, 0, 1000)
    assert total == len(whole)
    held_out = round((planned.evaluation_share or 0) * 100)
    assert len(whole) == 100 - held_out
    assert len({sample.row for sample in whole}) == len(whole)
    packs: dict[int, int] = {}
    for sample in whole:
        packs[sample.pack] = packs.get(sample.pack, 0) + len(sample.tokens)
    assert max(packs.values()) <= (planned.max_length or 0)
    assert len(packs) < len(whole)
    assert desk.planner.lens(planned, 3, 2) == (whole[3:5], total)


def test_the_lens_shows_padding_where_samples_share_no_row(desk: Desk) -> None:
    samples, _ = desk.planner.lens(recipe(packing=False, batch_size=4), 0, 4)
    assert len({sample.pack for sample in samples}) == 1
    assert len({len(sample.tokens) for sample in samples}) == 1


def test_the_lens_shows_each_piece_of_a_long_text(desk: Desk) -> None:
    samples, _ = desk.planner.lens(recipe("text", max_length=256, evaluation_share=0), 0, 1000)
    assert len(samples) == 150
    assert [sample.row for sample in samples].count(1) == 5
