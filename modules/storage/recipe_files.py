"""A recipe's file: the fields of a finetuning run in YAML, whole or with the model, the name and the data left out."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from modules.errors import BadRequest
from modules.storage.plain_yaml import read_mapping, written
from modules.storage.preset_files import DESCRIPTION, MARK, VERSION, check_description
from modules.types.faults import fault_of
from modules.types.recipes import Recipe, StoredRecipe

# What a recipe says of one run alone; a file that is used again and again leaves it out.
OF_ONE_RUN: dict[str, Any] = {"model": "model", "name": "name", "data": {"dataset": "samples"}}


def read_recipe(name: str, text: str) -> StoredRecipe:
    """What the file says. Whatever is wrong with it is the recipe's problem, which nothing else suffers from."""
    try:
        fields = read_mapping(text)
        if fields.pop(MARK, None) != VERSION:
            raise BadRequest(f"it does not begin with `{MARK}: {VERSION}`")
        description = fields.pop(DESCRIPTION, "")
        check_description(description)
        return StoredRecipe(name, check_fields(fields), description)
    except BadRequest as error:
        return StoredRecipe(name, {}, problem=f"The recipe {name} cannot be used: {str(error).rstrip('.')}.")


def read_whole_recipe(text: str) -> Recipe:
    """Raises BadRequest for one that leaves something out or is wrong."""
    stored = read_recipe("file", text)
    if stored.problem:
        raise BadRequest(stored.problem)
    return whole_recipe(stored.fields)


def whole_recipe(fields: Mapping[str, Any]) -> Recipe:
    """Raises BadRequest naming the field that is wrong or missing."""
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise recipe_fault(error) from error


def check_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a recipe that may leave out what belongs to one run. Raises BadRequest naming the field."""
    try:
        checked = Recipe.model_validate({**OF_ONE_RUN, **fields})
    except ValidationError as error:
        raise recipe_fault(error) from error
    return {name: value for name, value in plain_fields(checked).items() if name in fields}


def written_recipe(recipe: Recipe | StoredRecipe) -> str:
    """Our own form. Of a whole recipe every field that is set, defaults too: they may be others one day."""
    head: dict[str, Any] = {MARK: VERSION}
    if isinstance(recipe, Recipe):
        return written({**head, **plain_fields(recipe)})
    return written({**head, **({DESCRIPTION: recipe.description} if recipe.description else {}), **recipe.fields})


def plain_fields(recipe: Recipe) -> dict[str, Any]:
    """As plain values; a source of data without what it does not say."""
    fields = recipe.model_dump(mode="json", exclude_none=True)
    return fields | recipe.model_dump(
        mode="json", include={"data", "evaluation_data"}, exclude_defaults=True, exclude_none=True
    )


def recipe_fault(error: ValidationError) -> BadRequest:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return BadRequest(f"The recipe says no {place}. Add it.", field=place)
    if first["type"] == "extra_forbidden":
        there = ", ".join(Recipe.model_fields)
        return BadRequest(f"A recipe has no field called {place[:80]!r}. There are: {there}.", field=place[:80])
    return BadRequest(f"{place} {fault_of(first)}.", field=place)
