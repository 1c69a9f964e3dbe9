"""Recipes as files: what they may leave out, what is wrong with them in words, and those that ship."""

from pathlib import Path

import pytest

from modules.errors import BadRequest, NotFound
from modules.paths import PROJECT
from modules.storage.recipe_files import read_recipe, read_whole_recipe, whole_recipe, written_recipe
from modules.storage.recipes import RecipeStore
from modules.types.recipes import Recipe, StoredRecipe

SHIPPED = PROJECT / "presets" / "recipes"
WHOLE = {
    "model": "small", "name": "mine", "data": {"path": "/x.jsonl", "columns": {"prompt": "question"}},
    "probes": ["Who are you?", "yes: no # and\nmore"], "learning_rate": 2e-5, "packing": False, "targets": ["all-linear"],
    "evaluation_data": {"hub": "a/b"},
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RecipeStore:
    return RecipeStore(SHIPPED, tmp_path / "recipes")


@pytest.mark.parametrize("recipe", RecipeStore(SHIPPED, Path("none")).recipes(), ids=lambda recipe: recipe.name)
def test_each_that_ships_is_sound(recipe: StoredRecipe) -> None:
    assert (recipe.problem, recipe.is_shipped) == ("", True)
    assert len(recipe.description) > 30
    assert recipe.fields
    assert not set(recipe.fields) & {"model", "name", "data"}
    text = (SHIPPED / f"{recipe.name}.yaml").read_text()
    assert text.startswith("parlor: 1\n")
    # It says why, and nothing twice: only what differs from the defaults, or is worth saying.
    assert text.count("\n# ") >= 1


def test_there_are_enough_that_ship() -> None:
    recipes = RecipeStore(SHIPPED, Path("none")).recipes()
    assert len(recipes) >= 5
    assert {"lora", "rslora", "dora", "prompt_tuning", "full"} <= {recipe.fields.get("method") for recipe in recipes}


def test_a_whole_recipe_comes_back_as_it_was() -> None:
    recipe = Recipe.model_validate(WHOLE)
    text = written_recipe(recipe)
    assert read_whole_recipe(text) == recipe
    # Defaults are said, as they may be others one day; of the data only what was chosen.
    assert "seed: 42" in text
    assert "hub_split" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parlor: 1\nrank: 8", "says no model"),
        ("rank: 8", "does not begin with `parlor: 1`"),
        ("parlor: 2", "does not begin with `parlor: 1`"),
        ("parlor: 1\nrnak: 8", "no field called 'rnak'. There are: model, name"),
        ("parlor: 1\nrank: -1", "rank must be at least 1"),
        ("parlor: 1\ndata: {path: /x, colums: {}}", "no field called 'data.colums'"),
        ("parlor: 1\nmethod: magic", "method must be one of 'lora'"),
        ("parlor: 1\nrank: [", "line 2"),
        ("parlor: 1\nname: !!python/object:os.system x", "tags such as"),
        ("- a", "no list of"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_whole_recipe(text)
    assert said in str(caught.value)


def test_numbers_as_people_write_them() -> None:
    # YAML takes 2e-4 for text.
    assert read_recipe("x", "parlor: 1\nlearning_rate: 2e-4").fields == {"learning_rate": 0.0002}
    assert whole_recipe({**WHOLE, "steps": "20"}).steps == 20


def test_saved_found_and_deleted(store: RecipeStore, tmp_path: Path) -> None:
    saved = store.save("mine", {"rank": 4, "data": {"dataset": "x.jsonl"}}, "For me.")
    assert (saved.fields, saved.description) == ({"rank": 4, "data": {"dataset": "x.jsonl"}}, "For me.")
    assert not saved.is_shipped
    assert store.get("mine") == saved
    with pytest.raises(BadRequest, match="rank"):
        store.save("mine", {"rank": 0})
    assert store.get("mine") == saved
    store.save("careful", {"rank": 2})
    assert (store.get("careful").fields, store.get("careful").is_shipped) == ({"rank": 2}, False)
    store.delete("careful")
    assert store.get("careful").is_shipped
    with pytest.raises(BadRequest, match="comes with Parlor"):
        store.delete("careful")
    store.delete("mine")
    with pytest.raises(NotFound, match="There are: careful"):
        store.get("mine")
    with pytest.raises(BadRequest, match="cannot be used"):
        store.save("../out", {})
    (tmp_path / "recipes" / "bad.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "recipes" / "worse.yaml").write_text("parlor: 1\nrank: many")
    problems = {recipe.name: recipe.problem for recipe in store.recipes() if recipe.problem}
    assert set(problems) == {"bad", "worse"}
    assert "not UTF-8" in problems["bad"]
    assert "rank" in problems["worse"]
