"""Prompt templates by name, as readable files: those that ship, and the person's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from modules.errors import BadRequest, NotFound, StorageError
from modules.limits import LIMITS
from modules.storage.files import resolve_name, write_atomically
from modules.types.prompt_templates import ListedTemplate, PromptTemplate

SUFFIX = ".yaml"


class PromptTemplateStore:
    """One `NAME.yaml` each; a person's own goes before a shipped one of the same name. Any thread may call."""

    def __init__(self, shipped: Path, own: Path) -> None:
        self._shipped = shipped
        self._own = own

    def all(self) -> list[ListedTemplate]:
        """By name; damaged ones too."""
        return [self._listed(name) for name in sorted(self._names(self._shipped) | self._names(self._own))]

    def get(self, name: str) -> PromptTemplate:
        """Raises NotFound, or BadRequest saying what is wrong with the file."""
        return parse(name, self.text(name))

    def text(self, name: str) -> str:
        """The file as it stands. Raises NotFound."""
        path = self._path(name)
        if path is None:
            raise NotFound(f"There is no prompt template called {name[:120]!r}.", field="name")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise BadRequest(f"The prompt template {name} is not UTF-8.", field="name") from error
        except OSError as error:
            raise StorageError(f"The prompt template {name} cannot be read: {error.strerror}.") from error

    def save(self, name: str, text: str) -> PromptTemplate:
        """As one of the person's own. Raises BadRequest naming the place where the text is wrong."""
        path = resolve_name(self._own, name, SUFFIX)
        template = parse(path.name.removesuffix(SUFFIX), text)
        try:
            self._own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder of prompt templates cannot be written: {error.strerror}.") from error
        write_atomically(path, text.encode())
        return template

    def delete(self, name: str) -> None:
        """A shipped one that was changed is as it shipped again. Raises NotFound, BadRequest for a shipped one."""
        path = resolve_name(self._own, name, SUFFIX)
        if not path.is_file():
            if self._path(name) is not None:
                raise BadRequest(f"{name} ships with Parlor and cannot be deleted.", field="name")
            raise NotFound(f"There is no prompt template called {name[:120]!r}.", field="name")
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"{name} could not be deleted: {error.strerror}.") from error

    def _listed(self, name: str) -> ListedTemplate:
        is_own = name in self._names(self._own)
        is_known = name in self._names(self._shipped)
        try:
            return ListedTemplate(name, not is_own, is_own and is_known, self.get(name))
        except (BadRequest, StorageError) as error:
            return ListedTemplate(name, not is_own, is_own and is_known, None, str(error))

    def _path(self, name: str) -> Path | None:
        places = (resolve_name(folder, name, SUFFIX) for folder in (self._own, self._shipped))
        return next((path for path in places if path.is_file()), None)

    def _names(self, folder: Path) -> set[str]:
        return {path.stem for path in folder.glob("*" + SUFFIX) if path.is_file()}


def parse(name: str, text: str) -> PromptTemplate:
    """Raises BadRequest naming the line or the part that is wrong."""
    if len(text) > LIMITS.template_chars:
        raise wrong(name, f"it is longer than {LIMITS.template_chars:,} characters")
    try:
        check_shape(name, text)
        content: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise wrong(name, f"line {line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise wrong(name, f"it is no YAML: {str(error)[:200]}") from error
    if not isinstance(content, dict):
        raise wrong(name, "it is not a list of `name: value` lines")
    try:
        return PromptTemplate.model_validate({**cast("dict[Any, Any]", content), "name": name})
    except (ValidationError, RecursionError) as error:
        raise wrong(name, reason_of(error)) from error


def check_shape(name: str, text: str) -> None:
    """Raises BadRequest for what would take for ever to read: a short file of aliases, or one deep in brackets."""
    depth = 0
    for event in cast("Iterator[object]", yaml.parse(text)):  # pyright: ignore[reportUnknownMemberType]
        if isinstance(event, yaml.AliasEvent):
            raise wrong(name, "it uses an alias (*), which templates must not")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > LIMITS.json_depth:
            raise wrong(name, f"it is nested deeper than {LIMITS.json_depth} levels, which is the limit")


def reason_of(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason


def wrong(name: str, reason: str) -> BadRequest:
    return BadRequest(f"The prompt template {name[:120]} cannot be used: {reason[:500]}.", field="text")
