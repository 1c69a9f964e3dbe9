"""Recipes by name: those that ship, and the person's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from modules.errors import BadRequest, NotFound, StorageError
from modules.limits import LIMITS
from modules.storage.files import resolve_name, write_atomically
from modules.storage.recipe_files import check_fields, read_recipe, written_recipe
from modules.types.recipes import StoredRecipe

SUFFIX = ".yaml"


class RecipeStore:
    """One `NAME.yaml` each; a person's own goes before a shipped one of the same name. Any thread may call."""

    def __init__(self, shipped: Path, own: Path) -> None:
        self._shipped = shipped
        self._own = own

    def recipes(self) -> list[StoredRecipe]:
        """By name; damaged ones too, with their problem."""
        names = {path.stem for folder in (self._shipped, self._own) for path in folder.glob("*" + SUFFIX)}
        return [self._read(name) for name in sorted(names, key=str.casefold)]

    def get(self, name: str) -> StoredRecipe:
        """Raises NotFound with the names there are."""
        recipes = self.recipes()
        for recipe in recipes:
            if recipe.name == name:
                return recipe
        there = ", ".join(recipe.name for recipe in recipes)
        raise NotFound(f"There is no recipe called {name[:120]!r}. There are: {there}.", field="name")

    def save(self, name: str, fields: dict[str, Any], description: str = "") -> StoredRecipe:
        """As the person's own. Raises BadRequest naming the field that is wrong."""
        path = resolve_name(self._own, name, SUFFIX)
        own = list(self._own.glob("*" + SUFFIX))
        if not path.is_file() and len(own) >= LIMITS.presets:
            raise BadRequest(f"There are {LIMITS.presets} recipes of yours already, which is the limit.")
        text = written_recipe(StoredRecipe(name, check_fields(fields), description))
        if problem := read_recipe(name, text).problem:
            raise BadRequest(problem)
        try:
            self._own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder of your recipes cannot be made: {error.strerror}.") from error
        write_atomically(path, text.encode())
        return self._read(path.stem)

    def delete(self, name: str) -> None:
        """One of the person's own; a shipped one of that name shows again. Raises NotFound, or BadRequest."""
        path = resolve_name(self._own, name, SUFFIX)
        if not path.is_file():
            raise BadRequest(f"{self.get(name).name} comes with Parlor and cannot be deleted.", field="name")
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"The recipe {name} could not be deleted: {error.strerror}.") from error

    def _read(self, name: str) -> StoredRecipe:
        own = self._own / (name + SUFFIX)
        path = own if own.is_file() else self._shipped / (name + SUFFIX)
        try:
            with path.open("rb") as file:
                text = file.read(LIMITS.preset_bytes + 1).decode("utf-8-sig")
        except UnicodeDecodeError:
            return StoredRecipe(name, {}, problem=f"The recipe {name} cannot be used: it is not UTF-8.")
        except OSError as error:
            return StoredRecipe(name, {}, problem=f"The recipe {name} cannot be read: {error.strerror}.")
        return replace(read_recipe(name, text), is_shipped=path is not own)
