"""From an extension's folder to its hooks, and back to nothing."""

from collections.abc import Callable
from importlib import import_module, invalidate_caches
from threading import Lock

import pluggy

from modules.errors import BadRequest
from modules.extension_packages import PackageFinder, package_name
from modules.extensions.folders import ExtensionFolder
from modules.extensions.hooks import PROJECT_NAME, Hooks
from modules.extensions.isolation.parent import Isolated
from modules.extensions.plugins import Plugin
from modules.extensions.textgen.extension import load_script
from modules.extensions.textgen.recognition import is_textgen
from modules.types.extension_source import ExtensionSource


class Loader:
    """The plugins there are, each checked against the hooks. Any thread may call; of one extension one at a time.

    `isolate` starts the process of one that is isolated; without it there are none, as in such a process itself.
    """

    def __init__(self, isolate: Callable[[ExtensionFolder], Isolated] | None = None) -> None:
        self._isolate = isolate
        self._isolated: dict[str, Isolated] = {}
        self.finder = PackageFinder()
        self.finder.install()
        self._lock = Lock()
        self._plugins = pluggy.PluginManager(PROJECT_NAME)
        self._plugins.add_hookspecs(Hooks)

    def import_entry(self, found: ExtensionFolder) -> object:
        """Runs the extension's own code, so only within the guard. Whatever it raises is raised."""
        assert found.manifest is not None
        if found.manifest.isolated and self._isolate is not None:
            isolated = self._isolated[found.name] = self._isolate(found)
            return isolated.module
        package = package_name(found.name)
        self.finder.remove(package)
        self.finder.add(package, found.folder)
        invalidate_caches()
        if is_textgen(found.folder):
            return load_script(found.folder, found.name, found.manifest.title)
        return import_module(f"{package}.{found.manifest.entry}")

    def register(self, name: str, source: ExtensionSource, module: object) -> Plugin:
        """Raises BadRequest for hooks that there are not, and for arguments that they do not have."""
        known = {hook for hook in dir(Hooks) if not hook.startswith("_")}
        for hook in dir(module):
            if self._plugins.parse_hookimpl_opts(module, hook) is not None and hook not in known:
                raise BadRequest(f"{hook} is no hook of this program; modules/extensions/hooks.py lists them all.")
        with self._lock:
            try:
                self._plugins.register(module, name)
            except pluggy.PluginValidationError as error:
                raise BadRequest(" ".join(str(error).split())) from error
            return Plugin(name, source, module, self._hooks_of(name))

    def unload(self, name: str) -> None:
        """Nothing of it can be found or imported any more."""
        with self._lock:
            if self._plugins.has_plugin(name):
                self._plugins.unregister(name=name)
        self.finder.remove(package_name(name))
        if (isolated := self._isolated.pop(name, None)) is not None:
            isolated.close()

    def note(self, name: str) -> str:
        """Where it runs, when that is not in this process."""
        isolated = self._isolated.get(name)
        return isolated.note if isolated is not None else ""

    def close(self) -> None:
        for isolated in tuple(self._isolated.values()):
            isolated.close()
        self.finder.uninstall()

    def _hooks_of(self, name: str) -> dict[str, pluggy.HookImpl]:
        found: dict[str, pluggy.HookImpl] = {}
        for caller in self._plugins.get_hookcallers(self._plugins.get_plugin(name)) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin_name == name:
                    found[caller.name] = implementation
        return found
