"""Presets as people and programs handle them: save, rename, delete, restore, compare, import."""

from collections.abc import Mapping
from typing import Any

from modules.errors import BadRequest
from modules.services.parameters import ParameterService
from modules.storage.preset_files import check_description, parsed, written_preset
from modules.storage.presets import PresetStore
from modules.types.parameters import DEFAULTS, Parameters, as_values, checked, non_defaults
from modules.types.presets import Preset


class PresetService:
    """Any thread may call. What is in use never changes because its preset was renamed or deleted."""

    def __init__(self, store: PresetStore, parameters: ParameterService) -> None:
        self._store = store
        self._parameters = parameters

    def presets(self) -> list[Preset]:
        """By name; damaged ones too, with their problem."""
        return self._store.presets()

    def deleted(self) -> list[str]:
        """Names that `restore` brings back."""
        return self._store.deleted()

    def get(self, name: str) -> Preset:
        """Raises NotFound with the names there are."""
        return self._store.get(name)

    def parameters(self, name: str | None) -> Parameters:
        """To use them; the defaults without a name. Raises NotFound, or BadRequest for a damaged preset."""
        if not name:
            return DEFAULTS
        preset = self.get(name)
        if preset.problem:
            raise BadRequest(preset.problem, field="preset")
        return checked(preset.values)

    def save(self, name: str, values: Mapping[str, Any], description: str | None = None) -> Preset:
        """As the person's own; one of a shipped one's name takes its place until it is restored.

        The description is kept without a new one, and so is what we do not understand of its file. Raises BadRequest
        naming the field, its limit and the value, or Conflict.
        """
        before = self.get(name) if name in self._store.names() else Preset(name)
        told = before.description if description is None else description
        check_description(told)
        return self._store.save(Preset(name, non_defaults(checked(values)), told, before.unknown))

    def rename(self, name: str, new_name: str) -> Preset:
        """One of the person's own; whoever uses it follows. Raises NotFound, Conflict or BadRequest."""
        renamed = self._store.copy(name, new_name)
        self._parameters.follow(name, renamed.name)
        # Last, so that a crash leaves one preset too many and none that is used and gone.
        self._store.remove(name)
        return renamed

    def delete(self, name: str) -> None:
        """One of the person's own; `restore` undoes it. Raises NotFound, or BadRequest for a shipped one."""
        preset = self._store.check_deletable(name)
        if not preset.problem:
            self._parameters.detach(name)
        self._store.delete(name)

    def restore(self, name: str) -> Preset:
        """A shipped one as it shipped, a deleted one as it was. Raises NotFound when there is nothing to restore."""
        return self._store.restore(name)

    def compare(self, name: str, other: str) -> list[tuple[str, Any, Any]]:
        """(parameter, value in one, value in the other) where they differ; "" is the defaults."""
        ours, theirs = (as_values(self.parameters(one)) for one in (name, other))
        return [(knob, ours[knob], theirs[knob]) for knob in ours if ours[knob] != theirs[knob]]

    def import_text(self, name: str, text: str) -> Preset:
        """A file of ours or of text-generation-webui under a name that is free. Raises BadRequest or Conflict."""
        self._store.check_free(name)
        try:
            preset = parsed(name, text)
        except BadRequest as error:
            reason = str(error).rstrip(".")
            raise BadRequest(f"This file cannot be imported: {reason}.", field=error.field or "text") from error
        return self._store.save(preset)

    def export_text(self, name: str) -> str:
        """As a file of ours. Raises BadRequest for a damaged one."""
        self.parameters(name)
        return written_preset(self.get(name))
