"""The code of extensions inside a worker: engines and logits processors."""

from importlib import import_module
from typing import Any

from modules.engines.protocol import EngineKind
from modules.errors import ModelError
from modules.extension_packages import PackageFinder, package_name
from modules.types.extension_source import ExtensionSource


class BroughtCode:
    """What was imported stays until the extension is enabled anew. Any thread may call."""

    def __init__(self) -> None:
        self._finder = PackageFinder()
        self._finder.install()
        self._revisions: dict[str, float] = {}

    def make_importable(self, source: ExtensionSource) -> None:
        package = package_name(source.extension)
        if self._revisions.get(package) != source.revision:
            self._revisions[package] = source.revision
            self._finder.remove(package)
            self._finder.add(package, source.folder)

    def engine(self, name: str, source: ExtensionSource) -> EngineKind:
        """Asks the extension's own hook. Raises ModelError, or whatever the extension raises."""
        self.make_importable(source)
        entry: Any = import_module(f"{package_name(source.extension)}.{source.entry}")
        for kind in entry.engines():
            if isinstance(kind, EngineKind) and kind.name == name:
                return kind
        raise ModelError(f"The extension {source.extension} brings no engine called {name}.")
