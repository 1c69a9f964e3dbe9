"""From an extension's folder to a plugin that is ready: imported, with its settings and its engines."""

import time
from typing import Any

from pydantic import BaseModel, ValidationError

from modules.engines.protocol import EngineKind
from modules.engines.registry import EngineKinds
from modules.errors import BadRequest, ExtensionFault, ModelError
from modules.extensions.budgets import Budgets
from modules.extensions.calls import GuardedCalls
from modules.extensions.checks import checked_settings_model, items_of
from modules.extensions.folders import ExtensionFolder
from modules.extensions.loading import Loader
from modules.extensions.plugins import Plugin
from modules.storage.extension_states import ExtensionStates
from modules.types.estimates import MemoryEstimate
from modules.types.extension_source import ExtensionSource


class Enabler:
    """Any thread may call; of one extension one at a time."""

    def __init__(
        self, calls: GuardedCalls, loader: Loader, states: ExtensionStates, kinds: EngineKinds, budgets: Budgets
    ) -> None:
        self._calls = calls
        self._loader = loader
        self._states = states
        self._kinds = kinds
        self._budgets = budgets

    def load(self, folder: ExtensionFolder) -> Plugin:
        """Raises BadRequest with the reason, and leaves nothing of it then."""
        if folder.fault or folder.manifest is None:
            raise BadRequest(folder.fault, field="name")
        source = ExtensionSource(folder.name, folder.folder, folder.manifest.entry, time.time())
        try:
            module = self._calls.must(
                folder.name, "import", lambda: self._loader.import_entry(folder), self._budgets.load
            )
            plugin = self._loader.register(folder.name, source, module)
            self._give_settings(plugin)
            self._take_engines(plugin)
        except BadRequest:
            self.unload(folder.name)
            raise
        return plugin

    def unload(self, name: str) -> None:
        """Nothing of it can be found or imported any more; its engines are taken back before."""
        self._loader.unload(name)

    def _give_settings(self, plugin: Plugin) -> None:
        if "settings_model" not in plugin.hooks:
            return

        def make() -> tuple[type[BaseModel], BaseModel, str]:
            model = checked_settings_model(plugin.invoke("settings_model"))
            try:
                return model, model.model_validate(self._states.settings(plugin.name)), ""
            except ValidationError as error:
                return model, model(), f"Its settings no longer fit and are as they were at first: {error}"

        plugin.settings_model, plugin.settings, lost = self._calls.must(
            plugin.name, "settings_model", make, self._budgets.collect
        )
        if lost:
            self._calls.book.log(plugin.name, lost)

    def _take_engines(self, plugin: Plugin) -> None:
        if "engines" not in plugin.hooks:
            return
        kinds: tuple[EngineKind, ...] = self._calls.must(
            plugin.name, "engines", lambda: items_of("engines", plugin.invoke("engines")), self._budgets.collect
        )
        self._kinds.add([self._contained(plugin.name, kind) for kind in kinds], plugin.source)

    def _contained(self, extension: str, kind: EngineKind) -> EngineKind:
        """The same with what is asked of it here, in the program's own process, behind the guard."""

        def estimate(*asked: Any) -> MemoryEstimate:
            what, seconds = f"engine {kind.name}", self._budgets.collect
            try:
                return self._calls.call(extension, what, kind.estimate, *asked, seconds=seconds, returns=MemoryEstimate)
            except ExtensionFault as error:
                raise ModelError(str(error)) from error

        return kind._replace(estimate=estimate, token_cost=None)
