"""The extensions that are enabled, in the order in which their filters run."""

from collections.abc import Sequence
from threading import Lock

from modules.extensions.plugins import Plugin


class Roster:
    """Any thread may call. `own`, what the program itself brings, stays first."""

    def __init__(self, own: Plugin) -> None:
        self._lock = Lock()
        self._own = own
        self._is_closed = False
        self.all: tuple[Plugin, ...] = (own,)

    def find(self, name: str) -> Plugin | None:
        return next((plugin for plugin in self.all if plugin.name == name), None)

    def add(self, plugin: Plugin) -> bool:
        """As the last; False when the program is about to end."""
        with self._lock:
            if not self._is_closed:
                self.all = (*self.all, plugin)
            return not self._is_closed

    def take_out(self, name: str) -> Plugin | None:
        """It is asked nothing any more; None when it was not there."""
        with self._lock:
            plugin = self.find(name)
            if plugin is not None:
                plugin.live = False
                self.all = tuple(one for one in self.all if one is not plugin)
        return plugin

    def arrange(self, order: Sequence[str]) -> None:
        """As `order` names them; those that it does not name stay behind the others."""
        places = {name: place for place, name in enumerate(order)}
        with self._lock:
            rest = [one for one in self.all if one is not self._own]
            rest.sort(key=lambda one: places.get(one.name, len(places)))
            self.all = () if self._is_closed else (self._own, *rest)

    def close(self) -> tuple[Plugin, ...]:
        """Takes all out, and nobody in any more."""
        with self._lock:
            self._is_closed = True
            plugins, self.all = self.all, ()
            for plugin in plugins:
                plugin.live = False
        return plugins
