"""The actions of the Parameters panel: what replies are written with, and presets."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.errors import ModelError, NotFound
from modules.limits import LIMITS
from modules.services.parameters import ScopedParameters
from modules.services.structure_check import structure_fault
from modules.storage.files import NAME_CHARS
from modules.types.generation import Constraint, ConstraintKind
from modules.types.parameters import as_values
from modules.types.presets import Scope, ScopeKind
from modules.ui.actions import View, action
from modules.ui.knob_fields import knob_fields

Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS)]
NameOrDefaults = Annotated[str, Field(max_length=NAME_CHARS)]
Target = Annotated[str, Field(max_length=LIMITS.model_name_chars)]
ChosenValues = Annotated[dict[str, Any], Field(max_length=LIMITS.preset_keys)]


class PageValues(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class PlaceValues(PageValues):
    """What the person looks at; each may be empty."""

    model: Target = ""
    conversation: Target = ""
    document: Target = ""


class ScopeValues(PlaceValues):
    """`kind` chooses which of them the action is about."""

    kind: ScopeKind

    @property
    def scope(self) -> Scope:
        targets = {"model": self.model, "conversation": self.conversation, "document": self.document}
        return Scope(self.kind, targets.get(self.kind, ""))


class ChangeValues(ScopeValues):
    changes: ChosenValues


class ChooseValues(ScopeValues):
    preset: NameOrDefaults


class PresetValues(PageValues):
    name: Name


class SaveValues(PresetValues):
    values: ChosenValues
    description: Annotated[str, Field(max_length=LIMITS.preset_description_chars)] | None = None


class RenameValues(PresetValues):
    new_name: Name


class ImportValues(PresetValues):
    yaml: Annotated[str, Field(max_length=LIMITS.preset_bytes)]


class CompareValues(PageValues):
    name: NameOrDefaults
    other: NameOrDefaults


class StructureValues(PageValues):
    kind: ConstraintKind
    source: Annotated[str, Field(max_length=LIMITS.constraint_chars)]


class ParametersTab:
    """Called by the page on Gradio's threads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.params_state, self.params_change, self.params_choose, self.params_neutralise,
            self.params_bind, self.params_unbind,
            self.preset_save, self.preset_rename, self.preset_delete, self.preset_restore,
            self.preset_compare, self.preset_import, self.preset_export, self.structure_check,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action(PlaceValues)
    def params_state(self, values: PlaceValues) -> View:
        """All that the panel shows of a place."""
        return {
            "fields": knob_fields(),
            "refusals": self._refusals(values.model),
            **self._in_use(values),
            **self._presets(),
        }

    # --- parameters ---

    @action(ChangeValues)
    def params_change(self, values: ChangeValues) -> View:
        self._app.parameters.change(values.scope, values.changes, values.model)
        return self._in_use(values)

    @action(ChooseValues)
    def params_choose(self, values: ChooseValues) -> View:
        self._app.parameters.choose(values.scope, values.preset)
        return self._in_use(values)

    @action(ScopeValues)
    def params_neutralise(self, values: ScopeValues) -> View:
        self._app.parameters.neutralise(values.scope, values.model)
        return self._in_use(values)

    @action(ChooseValues)
    def params_bind(self, values: ChooseValues) -> View:
        self._app.parameters.bind(values.scope, values.preset)
        return self._in_use(values)

    @action(ScopeValues)
    def params_unbind(self, values: ScopeValues) -> View:
        self._app.parameters.unbind(values.scope)
        return self._in_use(values)

    # --- presets ---

    @action(SaveValues)
    def preset_save(self, values: SaveValues) -> View:
        preset = self._app.presets.save(values.name, values.values, values.description)
        return {"preset": asdict(preset), **self._presets()}

    @action(RenameValues)
    def preset_rename(self, values: RenameValues) -> View:
        return {"preset": asdict(self._app.presets.rename(values.name, values.new_name)), **self._presets()}

    @action(PresetValues)
    def preset_delete(self, values: PresetValues) -> View:
        self._app.presets.delete(values.name)
        return self._presets()

    @action(PresetValues)
    def preset_restore(self, values: PresetValues) -> View:
        return {"preset": asdict(self._app.presets.restore(values.name)), **self._presets()}

    @action(ImportValues)
    def preset_import(self, values: ImportValues) -> View:
        return {"preset": asdict(self._app.presets.import_text(values.name, values.yaml)), **self._presets()}

    @action(PresetValues)
    def preset_export(self, values: PresetValues) -> View:
        return {"file": f"{values.name}.yaml", "yaml": self._app.presets.export_text(values.name)}

    @action(CompareValues)
    def preset_compare(self, values: CompareValues) -> View:
        found = self._app.presets.compare(values.name, values.other)
        return {"differences": [{"parameter": name, "value": one, "other": two} for name, one, two in found]}

    # --- structure ---

    @action(StructureValues)
    def structure_check(self, values: StructureValues) -> View:
        """`fault` is null where it can be followed; else its sentence and place, which is 0 where nobody knows it."""
        fault = structure_fault(self._app.inference.check_constraint, Constraint(values.kind, values.source))
        return {"fault": asdict(fault) if fault else None}

    def _refusals(self, model: str) -> dict[str, str]:
        """None of a model that is gone, or that nothing can run: the panel is there all the same."""
        with suppress(NotFound, ModelError):
            return self._app.parameters.refusals(model) if model else {}
        return {}

    def _in_use(self, values: PlaceValues) -> View:
        scopes = self._app.parameters.scopes(
            model=values.model, conversation=values.conversation, document=values.document
        )
        views = [scoped_view(scoped) for scoped in scopes]
        return {"current": views[0], "scopes": views}

    def _presets(self) -> View:
        presets = self._app.presets
        return {"presets": [asdict(preset) for preset in presets.presets()], "deleted": presets.deleted()}


def scoped_view(scoped: ScopedParameters) -> View:
    return {
        "kind": scoped.scope.kind,
        "preset": scoped.preset,
        "changes": scoped.changes,
        "values": as_values(scoped.values),
        "problem": scoped.problem,
    }
