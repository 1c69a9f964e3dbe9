"""A script's `params`: what a person can set of them, and what is kept of them between starts."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic import Field as SettingsField

FILE = "params.json"
# They say how the extension is shown, not what it does.
ASIDE = frozenset({"display_name", "is_tab"})
KINDS = (bool, int, float, str)


class ScriptSettings(BaseModel):
    """Of which each extension's settings are made. A name may have the extension's own and a dash before it."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Params:
    """Changes the script's own dictionary, which its functions read.

    Whoever changed one last wins: the settings or the extension's own controls. So both are written down.
    """

    def __init__(self, extension: str, values: dict[str, Any]) -> None:
        self._values = values
        self._file: Path | None = None
        self._seen: dict[str, Any] = {}
        self.model = settings_model(extension, values)
        if self.model is not None:
            self._seen = self.model().model_dump()

    @property
    def title(self) -> str:
        return str(self._values.get("display_name") or "")

    @property
    def is_tab(self) -> bool:
        return bool(self._values.get("is_tab"))

    @property
    def plain(self) -> dict[str, Any]:
        """Those that JSON can hold."""
        return {name: value for name, value in self._values.items() if is_plain(value)}

    def set(self, values: Mapping[str, Any]) -> None:
        """Those that the script has."""
        self._values.update({name: value for name, value in values.items() if name in self._values})

    def restore(self, folder: Path) -> None:
        """What they were when the extension ran last; a file that cannot be read counts as none."""
        self._file = folder / FILE
        try:
            stored: Any = json.loads(self._file.read_text(encoding="utf-8"))
            params, seen = stored["params"], stored["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.set(params)
        self._seen = cast("dict[str, Any]", seen)

    def apply(self, settings: BaseModel | None) -> None:
        """Takes what the person has set since it was last looked at."""
        if settings is None:
            return
        now = settings.model_dump()
        changed = {name: value for name, value in now.items() if value != self._seen.get(name)}
        if changed:
            self._values.update(changed)
            self._seen = now
            self.keep()

    def keep(self) -> None:
        """Writes them down for the next start, where the extension has been enabled."""
        if self._file is None:
            return
        text = json.dumps({"params": self.plain, "settings": self._seen})
        replacement = self._file.with_suffix(".new")
        replacement.write_text(text, encoding="utf-8")
        replacement.replace(self._file)


def settings_model(extension: str, params: Mapping[str, Any]) -> type[BaseModel] | None:
    """A field for each parameter that is a truth value, a number, a text or a list of texts; None without any."""
    fields: dict[str, Any] = {}
    for name, value in params.items():
        taken = name in ASIDE or name.startswith("_") or hasattr(ScriptSettings, name)
        if not taken and (kind := kind_of(value)) is not None:
            fields[name] = (kind, SettingsField(default=value, title=name.replace("_", " ").capitalize()))
    if not fields:
        return None
    # With the name that its folder had, or that it has here.
    prefix = re.compile("^" + "[-_]".join(map(re.escape, extension.split("-"))) + "-")

    def without_prefix(given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        values = cast("dict[str, Any]", given)
        return {name if name in params else prefix.sub("", name, count=1): value for name, value in values.items()}

    validators: Any = {"without_prefix": model_validator(mode="before")(without_prefix)}
    return create_model("Settings", __base__=ScriptSettings, __validators__=validators, **fields)


def kind_of(value: Any) -> Any:
    """The type of a parameter; None for what has no form."""
    if isinstance(value, KINDS):
        return type(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in cast("list[Any]", value)):
        return list[str]
    return None


def is_plain(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
