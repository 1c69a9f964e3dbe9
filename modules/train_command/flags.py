"""The flags of `train`: one for each field of a recipe, made from the declaration, and what they ask for."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from modules.errors import BadRequest, NotFound
from modules.services.recipe_fields import RecipeField, recipe_fields
from modules.storage.recipe_files import read_recipe
from modules.storage.recipes import SUFFIX, RecipeStore

# Flags for the program's own settings, and what they are called there; --data is what a model learns from.
PLACES = {
    "--models": "--models",
    "--data-folder": "--data",
    "--model-folders": "--model-folders",
    "--threads": "--threads",
    "--hub-endpoint": "--hub-endpoint",
}
QLORA = "qlora"
HUB = "hub:"
SOURCE_HELP = "A file or folder, the name of one in data/datasets, or hub:NAME of a dataset on the hub."


@dataclass(frozen=True)
class Asked:
    """`recipe` is a file or the name of a recipe; `fields` are those that flags set, before they are checked."""

    recipe: str
    resume: str
    dry_run: bool
    fields: dict[str, Any]
    places: dict[str, str]


def make_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command,
        description="Teach a model. What is not said is chosen for the model, the data and this machine.",
        epilog="Ctrl+C saves a checkpoint; --resume NAME goes on from it. qlora is lora with --base-weights nf4.",
        allow_abbrev=False,
    )
    parser.add_argument("recipe", metavar="RECIPE.yaml", nargs="?", default="", help="a recipe's file or name")
    parser.add_argument("--resume", metavar="NAME", default="", help="go on with a run from its newest checkpoint")
    parser.add_argument("--dry-run", action="store_true", help="tell what it would take, and write the whole recipe")
    parser.add_argument("--data-format", metavar="FORMAT", help="how data are read: messages, sharegpt, alpaca, ...")
    parser.add_argument("--column", metavar="ROLE=NAME", action="append", help="which column plays a role: prompt=q")
    for field in recipe_fields():
        add_flag(parser, field)
    for flag, setting in PLACES.items():
        parser.add_argument(flag, metavar=setting.strip("-").upper(), help="as at the start of the program")
    return parser


def add_flag(parser: argparse.ArgumentParser, field: RecipeField) -> None:
    flag, words = flag_of(field.name), field.description.replace("%", "%%")
    match field.kind:
        case "switch":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=words)
        case "choice":
            options = (*field.options, QLORA) if field.name == "method" else field.options
            parser.add_argument(flag, choices=options, help=words)
        case "list":
            parser.add_argument(flag, metavar="TEXT", action="append", help=f"{words} May be given several times.")
        case "source":
            parser.add_argument(flag, metavar="FILE", help=f"{words} {SOURCE_HELP}")
        case _:
            parser.add_argument(flag, metavar=field.kind.upper(), help=words)


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def asked_of(parsed: argparse.Namespace) -> Asked:
    values: dict[str, Any] = {name: value for name, value in vars(parsed).items() if value is not None}
    fields = {field.name: values[field.name] for field in recipe_fields() if field.name in values}
    for name in ("data", "evaluation_data"):
        if name in fields:
            fields[name] = source_of(fields[name])
    if "data" in fields:
        fields["data"] |= read_as(values)
    if fields.get("method") == QLORA:
        fields |= {"method": "lora", "base_weights": fields.get("base_weights", "nf4")}
    places = {flag: values[name] for flag in PLACES if (name := flag.strip("-").replace("-", "_")) in values}
    return Asked(values["recipe"], values["resume"], values["dry_run"], fields, places)


def read_as(values: dict[str, Any]) -> dict[str, Any]:
    """How the data's rows are read, where that is said."""
    columns = dict(text.partition("=")[::2] for text in values.get("column", ()))
    form = {"format": values["data_format"]} if "data_format" in values else {}
    return {**form, **({"columns": columns} if columns else {})}


def source_of(text: str) -> dict[str, Any]:
    """A path that exists goes before the name of a stored dataset. Raises BadRequest for a path that leads nowhere."""
    if text.startswith(HUB):
        return {"hub": text.removeprefix(HUB)}
    path = Path(text).expanduser()
    if path.exists():
        return {"path": str(path.absolute())}
    if path.name != text:
        raise BadRequest(f"There is no file or folder at {path.absolute()}.", field="data")
    return {"dataset": text}


def fields_of(asked: Asked, recipes: RecipeStore) -> dict[str, Any]:
    """Of the recipe that is asked for, with what flags say instead. Raises BadRequest for a missing or damaged one."""
    if not asked.recipe:
        return asked.fields
    path = Path(asked.recipe)
    if not path.is_file():
        try:
            stored = recipes.get(asked.recipe.removesuffix(SUFFIX))
        except NotFound as error:
            raise BadRequest(f"There is no file {asked.recipe}. {error}", field="recipe") from error
    else:
        try:
            stored = read_recipe(path.name, path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise BadRequest(f"The recipe {path.name} cannot be read: {error}", field="recipe") from error
    if stored.problem:
        raise BadRequest(stored.problem, field="recipe")
    fields = {name: near(value, path.parent) for name, value in stored.fields.items()}
    return {**fields, **asked.fields}


def near(value: Any, folder: Path) -> Any:
    """A source of data whose path is not absolute lies beside its recipe."""
    if not isinstance(value, dict):
        return value
    source = cast(dict[str, Any], value)
    return (
        {**source, "path": str((folder / Path(source["path"]).expanduser()).absolute())} if "path" in source else source
    )
