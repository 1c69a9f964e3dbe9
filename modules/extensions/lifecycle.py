"""Extensions come and go: enabled at the start or by a person, taken out while their files change, disabled."""

from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, RLock
from typing import TypeVar

from modules.engines.registry import EngineKinds
from modules.errors import BadRequest, ParlorError
from modules.extensions.budgets import Budgets
from modules.extensions.calls import GuardedCalls
from modules.extensions.contracts import ExtensionHost
from modules.extensions.enabling import Enabler
from modules.extensions.folders import ExtensionFolder
from modules.extensions.manifest import Manifest
from modules.extensions.plugins import Plugin
from modules.extensions.roster import Roster
from modules.extensions.steps import observe_step
from modules.storage.extension_states import ExtensionStates

Made = TypeVar("Made")
HostFor = Callable[[Manifest], ExtensionHost]
# How many are loaded at a time when the program starts; one that hangs holds one of these places until it is given up.
SIDE_BY_SIDE = 8


class Lifecycle:
    """Any thread may call. Each extension is changed by one thread at a time, and none waits for another."""

    def __init__(
        self,
        roster: Roster,
        enabler: Enabler,
        kinds: EngineKinds,
        *,
        states: ExtensionStates,
        calls: GuardedCalls,
        budgets: Budgets,
        folder: Callable[[str], ExtensionFolder],
    ) -> None:
        """`folder` finds one by its name, or raises NotFound."""
        self._roster = roster
        self._enabler = enabler
        self._kinds = kinds
        self._states = states
        self._calls = calls
        self._budgets = budgets
        self._folder = folder
        self._host_for: HostFor | None = None
        self._changing: defaultdict[str, RLock] = defaultdict(RLock)
        self._waiting: deque[str] = deque()
        self._loading: tuple[str, ...] = ()
        self._loaded = Condition()
        self._failed: dict[str, str] = {}
        # Whose `started` is called now: their settings count already.
        self._starting: dict[str, Plugin] = {}

    @property
    def loading(self) -> tuple[str, ...]:
        """Those that were enabled when the program ended and are not ready yet."""
        return self._loading

    def start(self, host_for: HostFor) -> None:
        """Begin to enable those that were enabled when the program ended, side by side; see `settled`."""
        self._host_for = host_for
        self._loading = self._states.enabled()
        self._waiting.extend(self._loading)
        for _ in self._loading[:SIDE_BY_SIDE]:
            self._calls.guard.threads.run(self._start_waiting)

    def settled(self, seconds: float) -> bool:
        """Wait so long until all that `start` began with are enabled or have failed; whether they are."""
        with self._loaded:
            return self._loaded.wait_for(lambda: not self._loading, seconds)

    def enable(self, name: str) -> None:
        """Raises NotFound, BadRequest."""
        with self._changing[name]:
            self._enable(self._folder(name))
            self._states.enable(name)

    def disable(self, name: str) -> None:
        """Raises NotFound."""
        with self._changing[name]:
            self._folder(name)
            self._states.disable(name)
            self._failed.pop(name, None)
            self._unload(name, f"The extension {name}, whose engine this model ran on, was disabled.")

    def move(self, name: str, steps: int) -> None:
        """So many places later in the order of filters, or earlier. Raises BadRequest for one that has no place."""
        if name not in self._states.enabled():
            raise BadRequest(f"{name} is not enabled, so it has no place among the others.", field="name")
        self._states.move(name, steps)
        self._arrange()

    def changed(self, name: str, change: Callable[[], Made]) -> tuple[Made, str]:
        """Take it out while `change` changes its files, and enable it again in its place, whatever came of that.

        (what `change` returns, why it could not be enabled again). Raises what `change` raises.
        """
        with self._changing[name]:
            was_enabled = name in self._states.enabled()
            if was_enabled:
                self._unload(name, f"The extension {name}, whose engine this model ran on, was changed.")
            try:
                made = change()
            except BaseException:
                if was_enabled:
                    # What it was cannot be enabled either: its card says so.
                    with suppress(ParlorError):
                        self._enable(self._folder(name))
                raise
            if was_enabled:
                try:
                    self._enable(self._folder(name))
                except BadRequest as error:
                    return made, str(error)
            return made, ""

    def starting(self, name: str) -> Plugin | None:
        """One whose `started` is called now."""
        return self._starting.get(name)

    def failure(self, name: str) -> str:
        """Why it is off though it is wanted; empty when it is not so."""
        return self._failed.get(name, "")

    def give_up(self, name: str) -> None:
        """It left too many calls behind: off, without asking it anything any more."""
        if self._roster.take_out(name) is None:
            return
        sentence = "It left too many calls behind that never returned, so it was switched off."
        self._failed[name] = sentence
        self._calls.book.log(name, sentence)
        self._states.disable(name)
        self._kinds.remove(name, f"The extension {name}, whose engine this model ran on, was switched off.")

    def close(self) -> None:
        """Every `stopping` is called, for two seconds at most each."""
        self._waiting.clear()
        stopping = [plugin for plugin in self._roster.close() if "stopping" in plugin.hooks]
        self._calls.run([observe_step(plugin, "stopping", {}, self._budgets.close) for plugin in stopping], None)

    def _start_waiting(self) -> None:
        """One after another, beside others who do the same."""
        while True:
            try:
                name = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._start(name)
            except (ParlorError, OSError) as error:
                self._failed[name] = str(error)
            with self._loaded:
                self._loading = tuple(one for one in self._loading if one != name)
                self._loaded.notify_all()

    def _start(self, name: str) -> None:
        with self._changing[name]:
            # A person may have been quicker.
            is_wanted = name in self._states.enabled() and self._roster.find(name) is None
            if is_wanted:
                self._enable(self._folder(name))

    def _enable(self, folder: ExtensionFolder) -> None:
        """Raises BadRequest."""
        name = folder.name
        self._unload(name, f"The extension {name}, whose engine this model ran on, was loaded anew.")
        self._calls.book.clear(name)
        self._failed.pop(name, None)
        try:
            plugin = self._enabler.load(folder)
        except BadRequest as error:
            self._failed[name] = str(error)
            raise
        if "started" in plugin.hooks and self._host_for is not None and folder.manifest is not None:
            arguments = {"host": self._host_for(folder.manifest)}
            self._starting[name] = plugin
            self._calls.run([observe_step(plugin, "started", arguments, self._budgets.observe)], None)
        if self._roster.add(plugin):
            self._arrange()
            self._calls.book.log(name, "enabled")
        else:
            self._enabler.unload(name)
        self._starting.pop(name, None)

    def _arrange(self) -> None:
        order = self._states.enabled()
        self._roster.arrange(order)
        self._kinds.arrange(order)

    def _unload(self, name: str, sentence: str) -> None:
        """`sentence` is for the readers of models that run on its engines."""
        plugin = self._roster.find(name)
        self._kinds.remove(name, sentence)
        self._roster.take_out(name)
        if plugin is not None and "stopping" in plugin.hooks:
            self._calls.run([observe_step(plugin, "stopping", {}, self._budgets.observe)], None)
        self._enabler.unload(name)
        if plugin is not None:
            self._calls.book.log(name, "disabled")
