"""The sub-command `train` as far as it is words: flags from the declaration, sources, the plan as a recipe."""

from pathlib import Path
from typing import Any

import pytest

from modules.errors import BadRequest
from modules.paths import PROJECT
from modules.services.recipe_fields import recipe_fields
from modules.storage.recipe_files import read_whole_recipe, whole_recipe
from modules.storage.recipes import RecipeStore
from modules.train_command.flags import asked_of, fields_of, flag_of, make_parser
from modules.train_command.report import plan_text, prediction_lines, problem_lines
from modules.types.datasets import DatasetCheck, RowProblem
from modules.types.recipes import Recipe
from modules.types.training import Prediction, TokenFacts, TrainingPlan

RECIPES = RecipeStore(PROJECT / "presets" / "recipes", Path("none"))


def fields(*arguments: str) -> dict[str, Any]:
    return fields_of(asked_of(make_parser("train").parse_args(arguments)), RECIPES)


def test_every_field_has_its_flag() -> None:
    text = make_parser("train").format_help()
    for name in Recipe.model_fields:
        assert flag_of(name) in text


def test_fields_are_told_from_the_declaration() -> None:
    found = {field.name: field for field in recipe_fields()}
    assert list(found) == list(Recipe.model_fields)
    kinds = {name: found[name].kind for name in ("model", "data", "evaluation_data", "method", "schedule", "rank")}
    assert kinds == {
        "model": "text", "data": "source", "evaluation_data": "source", "method": "choice", "schedule": "choice",
        "rank": "integer",
    }  # fmt: skip
    assert [found[name].kind for name in ("packing", "keep_best", "targets", "probes", "learning_rate")] == [
        "switch", "switch", "list", "list", "number",
    ]  # fmt: skip
    assert (found["rank"].minimum, found["rank"].maximum, found["rank"].default) == (1, 2048, None)
    assert found["method"].options == ("lora", "rslora", "dora", "full", "prompt_tuning")
    assert (found["seed"].default, found["seed"].is_simple, found["steps"].is_simple) == (42, False, True)
    assert {field.name for field in found.values() if field.is_simple} == {
        "model", "name", "data", "objective", "method", "steps",
    }  # fmt: skip


def test_flags_become_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chats.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    recipe = whole_recipe(
        fields(
            "--model", "small", "--data", "chats.jsonl", "--name", "mine", "--steps", "20", "--method", "qlora",
            "--learning-rate", "2e-4", "--no-packing", "--keep-best", "--probes", "Who?", "--probes", "Why?",
            "--data-format", "completion", "--column", "prompt=q", "--column", "completion=a", "--targets", "q_proj",
        )
    )  # fmt: skip
    assert (recipe.method, recipe.base_weights, recipe.steps, recipe.learning_rate) == ("lora", "nf4", 20, 0.0002)
    assert (recipe.packing, recipe.keep_best, recipe.gradient_checkpointing) == (False, True, None)
    assert (recipe.probes, recipe.targets) == (("Who?", "Why?"), ("q_proj",))
    assert recipe.data.path == str(tmp_path / "chats.jsonl")
    assert (recipe.data.format, recipe.data.columns) == ("completion", {"prompt": "q", "completion": "a"})
    assert fields("--data", "stored.jsonl")["data"] == {"dataset": "stored.jsonl"}
    assert fields("--data", "hub:a/b")["data"] == {"hub": "a/b"}


def test_a_recipe_with_flags_instead_of_some_fields(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("parlor: 1\nmodel: small\nname: a\ndata: {path: sub/x.jsonl}\nrank: 4\n")
    found = whole_recipe(fields(str(tmp_path / "r.yaml"), "--rank", "2", "--name", "b"))
    assert (found.model, found.name, found.rank) == ("small", "b", 2)
    # A path in a file is meant from where the file lies.
    assert found.data.path == str(tmp_path / "sub" / "x.jsonl")
    assert fields("careful")["method"] == "dora"
    assert fields("careful.yaml", "--method", "lora")["method"] == "lora"
    with pytest.raises(BadRequest, match=r"no file nothing\.yaml.*There are: careful"):
        fields("nothing.yaml")
    (tmp_path / "bad.yaml").write_text("parlor: 1\nrank: x")
    with pytest.raises(BadRequest, match=r"bad\.yaml cannot be used: rank"):
        fields(str(tmp_path / "bad.yaml"))


def test_a_plan_is_written_as_the_recipe_it_is() -> None:
    recipe = whole_recipe({"model": "small", "name": "a", "data": {"path": "/x"}, "rank": 8, "method": "lora"})
    facts = TokenFacts(100, 9000, 5000, 230, 84, (), dropped_count=2, dropped=((7, "it is empty"),), truncated_count=1)
    prediction = Prediction(2 * 10**9, 4 * 10**9, 3700, 50, 180.0, 10**7)
    plan = TrainingPlan(
        recipe, {"rank": "few samples:\nmore would not pay"}, facts, prediction, warnings=("It is old.",)
    )
    text = plan_text(plan)
    assert read_whole_recipe(text) == recipe
    assert "# few samples: more would not pay\nrank: 8\n" in text
    lines = "\n".join(prediction_lines(plan))
    for said in (
        "100 samples",
        "84 tokens (median)",
        "50 steps",
        "1 h 01 min",
        "2.00 GB (4.00 GB are free)",
        "10.00 MB",
    ):
        assert said in lines
    for said in ("2 samples are left out: row 7: it is empty", "1 samples are cut", "Beware: It is old."):
        assert said in lines


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"There is no file or folder at .*/chats\.jsonl"):
        fields("--model", "m", "--name", "n", "--data", str(tmp_path / "chats.jsonl"))
    assert fields("--model", "m", "--name", "n", "--data", "chats.jsonl")["data"] == {"dataset": "chats.jsonl"}


def test_rows_that_are_left_out_are_named() -> None:
    problems = tuple(RowProblem(row, "message 2, role", "It is unknown.", "a.jsonl") for row in range(3, 10))
    lines = problem_lines(DatasetCheck(60, 53, 7, problems, 0, ()))
    assert lines[:2] == [
        "7 of 60 rows cannot be used and are left out:",
        "  a.jsonl, row 3, message 2, role: It is unknown.",
    ]
    assert lines[-1] == "  and 2 more"
    assert problem_lines(DatasetCheck(60, 60, 0, (), 0, ())) == []
