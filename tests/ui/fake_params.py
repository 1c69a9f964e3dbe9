"""What the Parameters panel talks to: the real declarations, with scopes and presets in memory."""

from typing import Any

from modules.ui.knob_fields import knob_fields

View = dict[str, Any]
DEFAULTS = {field["name"]: field["default"] for field in knob_fields()}
NARROWEST_FIRST = ("conversation", "document", "model", "everywhere")


def preset(name: str, values: View, **others: Any) -> View:
    told = {"description": "", "unknown": {}, "is_shipped": False, "is_changed": False, "problem": ""}
    return {"name": name, "values": values, **told, **others}


SHIPPED = preset("Poetry", {"temperature": 1.2}, description="For verse.", is_shipped=True)


class FakeParams:
    """Public fields are set by tests."""

    def __init__(self) -> None:
        self.refusals: dict[str, str] = {}
        self.presets = {
            "Poetry": SHIPPED,
            "Mine": preset("Mine", {"temperature": 0.3, "top_k": 10}),
        }
        self.deleted: dict[str, View] = {}
        self.scopes: dict[str, View] = {"everywhere": {"preset": "", "changes": {}}}
        self.fault: View | None = None
        self.wrong: View | None = None

    def params_state(self, _values: View) -> View:
        return {"fields": knob_fields(), "refusals": self.refusals, **self._in_use(), **self._presets()}

    def params_change(self, values: View) -> View:
        if self.wrong and self.wrong["field"] in values["changes"]:
            return {"error": self.wrong}
        scope = self.scopes.setdefault(values["kind"], {**self.scopes[self._current]})
        usual = self._usual(scope["preset"])
        changes = {**scope["changes"], **values["changes"]}
        scope["changes"] = {name: value for name, value in changes.items() if value != usual[name]}
        return self._in_use()

    def params_choose(self, values: View) -> View:
        self.scopes[values["kind"]] = {"preset": values["preset"], "changes": {}}
        return self._in_use()

    def params_neutralise(self, values: View) -> View:
        self.scopes[values["kind"]] = {"preset": "", "changes": {"temperature": 1.0}}
        return self._in_use()

    def params_unbind(self, values: View) -> View:
        del self.scopes[values["kind"]]
        return self._in_use()

    def preset_save(self, values: View) -> View:
        changes = {name: value for name, value in values["values"].items() if value != DEFAULTS[name]}
        before = self.presets.get(values["name"], preset("", {}))
        described = values.get("description")
        description = before["description"] if described is None else described
        shipped = {"is_shipped": before["is_shipped"], "is_changed": before["is_shipped"]}
        self.presets[values["name"]] = preset(values["name"], changes, description=description, **shipped)
        return {"preset": self.presets[values["name"]], **self._presets()}

    def preset_rename(self, values: View) -> View:
        renamed = self.presets[values["new_name"]] = {**self.presets.pop(values["name"]), "name": values["new_name"]}
        for scope in self.scopes.values():
            if scope["preset"] == values["name"]:
                scope["preset"] = values["new_name"]
        return {"preset": renamed, **self._presets()}

    def preset_delete(self, values: View) -> View:
        gone = self.deleted[values["name"]] = self.presets.pop(values["name"])
        for scope in self.scopes.values():
            if scope["preset"] == values["name"]:
                scope.update(preset="", changes={**gone["values"], **scope["changes"]})
        return self._presets()

    def preset_restore(self, values: View) -> View:
        self.presets[values["name"]] = self.deleted.pop(values["name"], SHIPPED)
        return {"preset": self.presets[values["name"]], **self._presets()}

    def preset_import(self, values: View) -> View:
        made = self.presets[values["name"]] = preset(values["name"], {}, unknown={"penalty_alpha": 0.6})
        return {"preset": made, **self._presets()}

    def preset_export(self, values: View) -> View:
        return {"file": f"{values['name']}.yaml", "yaml": "parlor: 1\n"}

    def preset_compare(self, _values: View) -> View:
        return {"differences": [{"parameter": "temperature", "value": 0.3, "other": 1.2}]}

    def structure_check(self, _values: View) -> View:
        return {"fault": self.fault}

    @property
    def _current(self) -> str:
        return next(kind for kind in NARROWEST_FIRST if kind in self.scopes)

    def _usual(self, name: str) -> View:
        return {**DEFAULTS, **(self.presets[name]["values"] if name else {})}

    def _in_use(self) -> View:
        scopes = [
            {"kind": kind, "problem": "", **scope, "values": {**self._usual(scope["preset"]), **scope["changes"]}}
            for kind in NARROWEST_FIRST
            if (scope := self.scopes.get(kind))
        ]
        return {"current": scopes[0], "scopes": scopes}

    def _presets(self) -> View:
        return {"presets": [self.presets[name] for name in sorted(self.presets)], "deleted": sorted(self.deleted)}
