"""An extension that is enabled, as the registry holds and calls it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pluggy import HookImpl
from pydantic import BaseModel

from modules.extensions.contracts import RequestContext
from modules.types.extension_source import ExtensionSource


class Plugin:
    """`hooks` are those it has. `live` turns false when it is disabled; a reply that began before may still hold it."""

    def __init__(self, name: str, source: ExtensionSource, module: object, hooks: Mapping[str, HookImpl]) -> None:
        self.name = name
        self.source = source
        self.module = module
        self.hooks = hooks
        self.live = True
        self.settings_model: type[BaseModel] | None = None
        self.settings: BaseModel | None = None

    def invoke(self, hook: str, **arguments: Any) -> Any:
        """Calls the extension's own code, with the arguments that its hook takes; only within the guard."""
        implementation = self.hooks[hook]
        return implementation.function(*[arguments[name] for name in implementation.argnames])

    def context(self, context: RequestContext | None) -> RequestContext | None:
        """The request with this extension's settings."""
        if context is None or self.settings is None:
            return context
        return replace(context, settings=self.settings)
