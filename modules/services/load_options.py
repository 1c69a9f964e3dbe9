"""Which options a model is loaded with, and whether they can be."""

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from modules.engines.protocol import EngineKind
from modules.errors import BadRequest, StorageError
from modules.settings import Settings
from modules.storage.chat_templates import ChatTemplates
from modules.storage.model_options import ModelOptionsStore
from modules.types.faults import fault_of


class LoadOptions:
    """Options are JSON values by name. What a call asks for wins over the flags of the start, those over what is
    remembered, and that over the engine's defaults."""

    def __init__(self, settings: Settings, store: ModelOptionsStore, templates: ChatTemplates) -> None:
        self._settings = settings
        self._store = store
        self._templates = templates

    def choose(self, model_id: str, kind: EngineKind, asked: dict[str, Any] | None) -> dict[str, Any]:
        """`asked` replaces what is remembered, None leaves it."""
        flags = self._flags(kind)
        return {**self.remembered(model_id, kind), **flags} if asked is None else {**flags, **asked}

    def remembered(self, model_id: str, kind: EngineKind) -> dict[str, Any]:
        """Without what has become wrong since, such as an option that was renamed or a template that was deleted."""
        found = self._store.get(model_id, kind.name)
        return {name: value for name, value in found.items() if self._still_fits(kind, name, value)}

    def remember(self, model_id: str, kind: EngineKind, options: dict[str, Any]) -> None:
        # The model is loaded all the same when the disk is full.
        with suppress(StorageError):
            self._store.put(model_id, kind.name, options)

    def chat_template(self, options: dict[str, Any]) -> str:
        """The text of the chosen template, empty when none is. Raises BadRequest when there is none of that name."""
        name = options.get("chat_template")
        return self._templates.text(name) if name else ""

    def template_name(self, model_id: str, kind: EngineKind) -> str:
        """Of the template a model is loaded with unless more is asked for; empty: its own."""
        return str(self.choose(model_id, kind, None).get("chat_template") or "")

    def chat_templates(self) -> list[str]:
        return self._templates.names()

    def _flags(self, kind: EngineKind) -> dict[str, Any]:
        """What the person set of those settings that this engine has an option for."""
        flags = self._settings.model_dump(mode="json", exclude_defaults=True)
        flags["script"] = flags.pop("echo_script", None)
        return {name: flags[name] for name in kind.options.model_fields if flags.get(name) is not None}

    def _still_fits(self, kind: EngineKind, name: str, value: Any) -> bool:
        try:
            check_options(kind, {name: value})
            self.chat_template({name: value})
        except BadRequest:
            return False
        return True


def check_options(kind: EngineKind, options: dict[str, Any]) -> dict[str, Any]:
    """The options, when a request may ask for them; raises BadRequest naming the one that is wrong, and the limit."""
    for name in options:
        field = f"options.{name[:80]}"
        if name not in kind.options.model_fields:
            known = ", ".join(one for one in kind.options.model_fields if not kind.options.is_start_only(one))
            raise BadRequest(f"The {kind.name} engine has no option {name[:80]!r}. It has: {known}.", field=field)
        if kind.options.is_start_only(name):
            raise BadRequest(
                f"The option {name} can only be set by a flag when Parlor is started (see --help), never by a request.",
                field=field,
            )
    try:
        kind.options.model_validate(options, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise BadRequest(f"{name.replace('_', ' ').capitalize()} {fault_of(first)}.", f"options.{name}") from error
    return options
