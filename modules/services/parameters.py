"""What replies are written with: parameters of everywhere, of a model, of a conversation or document."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modules.errors import BadRequest, NotFound
from modules.services.knob_checks import why_ignored
from modules.services.models import ModelService
from modules.storage.parameters import ParameterStore, StoredParameters
from modules.storage.presets import PresetStore
from modules.types.parameters import DEFAULTS, Parameters, as_values, checked
from modules.types.presets import EVERYWHERE, Scope, ScopeKind
from modules.types.reply_params import ReplyParams, reply_params
from modules.types.sampling import SamplingParams, shown_of

USUAL = StoredParameters("", {})
# What neutral values leave alone: it says nothing about which token is likely.
LEFT_ALONE = "text"


@dataclass(frozen=True)
class ScopedParameters:
    """`values` are the preset's with the `changes`, which are JSON values by name.

    With a `problem`, a sentence, no reply is written with them: the preset is gone or damaged, and `values` are the
    defaults instead of what was chosen.
    """

    scope: Scope
    preset: str
    changes: dict[str, Any]
    values: Parameters
    problem: str = ""


class ParameterService:
    """Any thread may call. A scope without parameters of its own has those of the next wider one.

    `targets` finds what a scope is about; each raises NotFound when there is none.
    """

    def __init__(
        self,
        store: ParameterStore,
        presets: PresetStore,
        models: ModelService,
        targets: Mapping[ScopeKind, Callable[[str], object]],
    ) -> None:
        self._store = store
        self._presets = presets
        self._models = models
        self._targets = targets
        self._lock = threading.Lock()
        store.forget_gone()

    def current(self, *, model: str = "", conversation: str = "", document: str = "") -> ScopedParameters:
        """Those in use there: of the narrowest scope that has some. No model means the one that would answer."""
        return self.scopes(model=model, conversation=conversation, document=document)[0]

    def scopes(self, *, model: str = "", conversation: str = "", document: str = "") -> list[ScopedParameters]:
        """Of each scope that has parameters of its own, the narrowest first; everywhere is always last."""
        names: list[tuple[ScopeKind, str]] = [
            ("conversation", conversation), ("document", document), ("model", self._model_id(model)),
        ]  # fmt: skip
        scopes = [Scope(kind, target) for kind, target in names if target]
        own = [(scope, stored) for scope in scopes if (stored := self._store.get(scope)) is not None]
        return [self._scoped(scope, stored) for scope, stored in [*own, (EVERYWHERE, self._everywhere())]]

    def for_reply(self, *, model: str = "", conversation: str = "", document: str = "") -> ReplyParams:
        """Raises BadRequest when the chosen preset cannot be used."""
        found = self.current(model=model, conversation=conversation, document=document)
        if found.problem:
            raise BadRequest(found.problem, field="preset")
        return reply_params(found.values)

    def change(self, scope: Scope, changes: Mapping[str, Any], model: str = "") -> ScopedParameters:
        """Merged into what is changed there already; a value that is the preset's leaves it.

        A scope without parameters of its own begins with those in use, for a conversation or document with `model`.
        Raises BadRequest naming the field, its limit and the value.
        """
        with self._lock:
            self._check(scope)
            stored = self._begun(scope, model)
            preset = self._preset_values(stored.preset)
            return self._put(scope, stored.preset, {**preset, **stored.changes, **changes})

    def choose(self, scope: Scope, preset: str) -> ScopedParameters:
        """That preset as it is, "" for the defaults; changes are forgotten. Raises NotFound or BadRequest."""
        with self._lock:
            self._check(scope)
            return self._put(scope, preset, self._preset_values(preset))

    def neutralise(self, scope: Scope, model: str = "") -> ScopedParameters:
        """Nothing that chooses among tokens acts any more; length, stop texts, seed, bans and structure stay."""
        with self._lock:
            self._check(scope)
            now = as_values(self._scoped(scope, self._begun(scope, model)).values)
            neutral = {
                name: SamplingParams.neutral(name)
                for name in SamplingParams.model_fields
                if shown_of(SamplingParams, name)["group"] != LEFT_ALONE
            }
            return self._put(scope, "", {**now, **neutral})

    def bind(self, scope: Scope, preset: str) -> ScopedParameters:
        """Give a model, conversation or document parameters of its own, which begin as this preset."""
        self._check_narrow(scope)
        return self.choose(scope, preset)

    def unbind(self, scope: Scope) -> None:
        """The wider scope's hold again."""
        self._check_narrow(scope)
        with self._lock:
            self._store.remove(scope)

    def refusals(self, model: str) -> dict[str, str]:
        """Parameters that do nothing with this model, each with a sentence that says why. Raises NotFound."""
        runs_on, ignored = self._models.ignored_knobs(model)
        return {name: why_ignored(name, runs_on) for name in Parameters.model_fields if name in ignored}

    def follow(self, preset: str, new_name: str) -> None:
        """The preset goes by another name now."""
        with self._lock:
            self._store.rename_preset(preset, new_name)

    def detach(self, preset: str) -> None:
        """Before the preset goes: whoever uses it keeps its values as changes of their own."""
        with self._lock:
            for scope, stored in self._store.using(preset):
                self._put(scope, "", {**self._preset_values(preset), **stored.changes})

    def _put(self, scope: Scope, preset: str, wanted: Mapping[str, Any]) -> ScopedParameters:
        """`wanted` are all values that are not defaults; those that are the preset's are no changes."""
        usual = as_values(checked(self._preset_values(preset)))
        values = as_values(checked(wanted))
        changes = {name: value for name, value in values.items() if value != usual[name]}
        self._store.put(scope, preset, changes)
        return ScopedParameters(scope, preset, changes, checked(wanted))

    def _scoped(self, scope: Scope, stored: StoredParameters) -> ScopedParameters:
        try:
            values = checked({**self._preset_values(stored.preset), **stored.changes})
        except (BadRequest, NotFound) as error:
            return ScopedParameters(scope, stored.preset, stored.changes, DEFAULTS, str(error))
        return ScopedParameters(scope, stored.preset, stored.changes, values)

    def _begun(self, scope: Scope, model: str) -> StoredParameters:
        """The scope's own, or what holds there until it has some."""
        stored = self._store.get(scope)
        if stored is None and scope.kind in {"conversation", "document"}:
            stored = self._store.get(Scope("model", self._model_id(model)))
        return stored or self._everywhere()

    def _everywhere(self) -> StoredParameters:
        return self._store.get(EVERYWHERE) or USUAL

    def _preset_values(self, name: str) -> dict[str, Any]:
        """Raises NotFound for one that is gone, BadRequest for a damaged one."""
        if not name:
            return {}
        preset = self._presets.get(name)
        if preset.problem:
            raise BadRequest(preset.problem, field="preset")
        return preset.values

    def _model_id(self, model: str) -> str:
        """Of the model that would answer; empty when none would."""
        try:
            return self._models.chosen(model or None).id
        except NotFound:
            return model

    def _check(self, scope: Scope) -> None:
        if (scope.kind == "everywhere") == bool(scope.target):
            raise BadRequest("A scope is everywhere, or names a model, conversation or document.", field="scope")
        if scope.kind in self._targets:
            self._targets[scope.kind](scope.target)

    def _check_narrow(self, scope: Scope) -> None:
        if scope.kind == "everywhere":
            raise BadRequest("Everywhere always has parameters of its own; choose a preset for it.", field="scope")
