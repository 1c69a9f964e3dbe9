"""The extensions of the program: found, enabled, disabled, and asked for what they have."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from modules.children import Launcher
from modules.engines.registry import EngineKinds
from modules.errors import BadRequest, ExtensionFault, NotFound
from modules.extensions import builtin
from modules.extensions.budgets import USUAL, Budgets
from modules.extensions.calls import GuardedCalls
from modules.extensions.contracts import RequestContext
from modules.extensions.enabling import Enabler
from modules.extensions.facts import Extension, Fault, Given
from modules.extensions.faults import FaultBook
from modules.extensions.folders import BUILTIN, ExtensionFolder, find_extensions
from modules.extensions.guard import Chain, Guard, Step, StepFault, unchanged
from modules.extensions.isolation.parent import Isolated, start_isolated
from modules.extensions.lifecycle import HostFor, Lifecycle
from modules.extensions.loading import Loader
from modules.extensions.observers import Observers
from modules.extensions.plugins import Plugin
from modules.extensions.roster import Roster
from modules.extensions.running import HOOK as TRANSFORMER
from modules.extensions.running import ReplyStream, Stage
from modules.extensions.settings_values import plain_values
from modules.extensions.steps import (
    UNWATCHED,
    WRITER,
    ChainWatch,
    Draft,
    collect_step,
    filter_steps,
    observe_step,
    stage_step,
    writer_step,
)
from modules.paths import Paths
from modules.storage.extension_states import ExtensionStates
from modules.types.extension_source import ExtensionSource
from modules.types.faults import fault_of
from modules.types.generation import Event

Deliver = Callable[[Event], None]
Made = TypeVar("Made")


class Extensions:
    """Any thread may call. Nothing that an extension does ends a reply or the program."""

    def __init__(self, paths: Paths, states: ExtensionStates, budgets: Budgets = USUAL) -> None:
        """Nothing is enabled before `start` but what the program itself brings."""
        self.budgets = budgets
        self._paths = paths
        self._states = states
        self._book = FaultBook(self._give_up)
        self.guard = Guard(self._book.returned)
        self._calls = GuardedCalls(self.guard, self._book)
        self._observers = Observers(self._calls)
        self._launcher = Launcher()
        self._loader = Loader(self._isolate)
        own = self._loader.register(BUILTIN, ExtensionSource(BUILTIN, paths.extensions, "", 0.0), builtin)
        self.kinds = EngineKinds(own.invoke("engines"))
        self._roster = Roster(own)
        self._lifecycle = Lifecycle(
            self._roster,
            Enabler(self._calls, self._loader, states, self.kinds, budgets),
            self.kinds,
            states=states,
            calls=self._calls,
            budgets=budgets,
            folder=self._folder,
        )

    def start(self, host_for: HostFor) -> None:
        """Begin to enable those that were enabled when the program ended; one that cannot be says so on its card.

        Nobody needs to wait: until one is ready, requests go without it, and say so.
        """
        self._lifecycle.start(host_for)

    def settled(self, seconds: float) -> bool:
        """Wait so long until all of those are ready or have failed; whether they are."""
        return self._lifecycle.settled(seconds)

    @property
    def loading(self) -> tuple[str, ...]:
        """Those of them that are not ready yet."""
        return self._lifecycle.loading

    @property
    def order(self) -> tuple[str, ...]:
        """Those that are wanted, as their filters run one after another."""
        return self._states.enabled()

    def all(self) -> list[Extension]:
        """Every folder found, sound or not; imports nothing."""
        return [self._facts(folder) for folder in self._folders()]

    def find(self, name: str) -> Extension:
        """Raises NotFound."""
        return self._facts(self._folder(name))

    def enable(self, name: str) -> Extension:
        """Import it and call its `started`; its faults are forgotten. Raises BadRequest when it cannot be."""
        self._lifecycle.enable(name)
        return self.find(name)

    def disable(self, name: str) -> Extension:
        """Models on its engines are unloaded, what it gave is gone at once, and `stopping` is called after that."""
        self._observers.go_on()
        self._lifecycle.disable(name)
        return self.find(name)

    def move(self, name: str, steps: int) -> None:
        """So many places later in the order of filters, or earlier. Raises BadRequest for one that is not enabled."""
        self._lifecycle.move(name, steps)

    def changed(self, name: str, change: Callable[[], Made]) -> tuple[Made, str]:
        """`change` its files while it is off. (what that returns, why it could not be enabled again)."""
        self._observers.go_on()
        return self._lifecycle.changed(name, change)

    def settings(self, name: str) -> BaseModel | None:
        """What the person chose; None when it is not enabled or has nothing to set."""
        plugin = self._roster.find(name) or self._lifecycle.starting(name)
        return plugin.settings if plugin is not None else None

    def set_settings(self, name: str, values: Mapping[str, Any]) -> BaseModel:
        """The fields that are given change. Raises BadRequest that names the field."""
        plugin = self._roster.find(name)
        if plugin is None or plugin.settings_model is None or plugin.settings is None:
            raise BadRequest(f"{name} is not enabled, or has nothing to set.", field="name")
        merged = {**plain_values(plugin.settings), **values}
        model = plugin.settings_model
        try:
            settings = self.call(
                name, "settings", lambda: model.model_validate(merged), seconds=self.budgets.filter, returns=model
            )
        except ExtensionFault as error:
            if isinstance(error.__cause__, ValidationError):
                first = error.__cause__.errors()[0]
                field = ".".join(str(part) for part in first["loc"])
                raise BadRequest(f"{field} {fault_of(first)}.", field=field) from error
            raise
        self._states.set_settings(name, plain_values(settings))
        plugin.settings = settings
        return settings

    def settings_schema(self, name: str) -> dict[str, Any] | None:
        """The JSON schema that the form is made from. Raises ExtensionFault where there can be none."""
        plugin = self._roster.find(name)
        if plugin is None or plugin.settings_model is None:
            return None
        schema = plugin.settings_model.model_json_schema
        return self.call(name, "settings form", schema, seconds=self.budgets.collect, returns=dict)

    def chain(self, hook: str, value: Any, context: RequestContext, watch: ChainWatch = UNWATCHED) -> Any:
        """What the filters of this name make of `value`, one after another."""
        return self._calls.run(self._filters(hook, context, watch), value, watch.cancelled)

    def draft(self, draft: Draft, context: RequestContext, watch: ChainWatch = UNWATCHED) -> Draft:
        """What extensions make of a request before its prompt is known, all of them in one turn.

        Messages are filtered where there are any.
        """
        chains = (
            Chain(self._filters("filter_messages", context, watch) if draft.messages else (), draft.messages),
            Chain(self._filters("filter_request", context, watch), draft.params),
            Chain(self._collectors("logits_processors", context), draft.processors),
            Chain(self._stages(context), draft.stages),
        )
        return Draft(*self._calls.run_all(chains, watch.cancelled))

    def reply_stream(
        self, stages: Sequence[Stage], context: RequestContext, deliver: Deliver, watch: ChainWatch = UNWATCHED
    ) -> ReplyStream | None:
        """What takes the engine's events of one reply and delivers them as extensions change them; None without any.

        `stages` are those of its draft.
        """
        has_filter = context.source != "notebook" and bool(self._having("filter_reply"))
        if not stages and not has_filter:
            return None

        def finish(text: str, done: Callable[[str], None]) -> None:
            filters = self._filters("filter_reply", context, watch) if has_filter else ()
            self._calls.take(Chain(filters, text), watch.cancelled, done)

        return ReplyStream(
            stages,
            deliver,
            finish,
            guard=self.guard,
            seconds=self.budgets.feed,
            report=self._book.add,
        )

    def source(self, name: str) -> ExtensionSource | None:
        """What a worker imports of one that is enabled."""
        plugin = self._roster.find(name)
        return plugin.source if plugin is not None else None

    def record_fault(self, name: str, hook: str, sentence: str) -> None:
        """Of a failure that shows later than in the hook itself."""
        self._book.add(StepFault(Step(name, hook, 0.0, unchanged), sentence))

    def collect(self, hook: str, context: RequestContext | None = None) -> tuple[Given, ...]:
        """What the hooks of this name give, in the extensions' order."""
        return self._calls.run(self._collectors(hook, context), ())

    def call(
        self,
        extension: str,
        what: str,
        function: Callable[..., Any],
        *args: Any,
        seconds: float,
        returns: type,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """What `function`, which an extension gave, returns. Raises as GuardedCalls.call does."""
        return self._calls.call(extension, what, function, *args, seconds=seconds, returns=returns, cancelled=cancelled)

    def writer(self, prompt: str, context: RequestContext) -> Given | None:
        """The first that writes this reply instead of the model; its item is an iterator of texts, to be called too."""
        plugins = self._having(WRITER)
        return self._calls.run([writer_step(one, prompt, context, self.budgets.filter) for one in plugins], None)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell those who observe this; nobody waits for them."""
        plugins = self._having(hook)
        if plugins:
            self._observers.tell([observe_step(plugin, hook, arguments, self.budgets.observe) for plugin in plugins])

    def faults(self, name: str) -> list[Fault]:
        """Since it was enabled last, oldest first."""
        return self._book.faults(name)

    def off_hooks(self, name: str) -> list[str]:
        """Hooks of it that failed so often that they are not called until it is enabled again."""
        return self._book.off_hooks(name)

    def log(self, name: str) -> list[str]:
        return self._book.lines(name)

    def write_log(self, name: str, text: str) -> None:
        self._book.log(name, text)

    def close(self) -> None:
        """Every `stopping` is called, for two seconds at most each."""
        self._observers.go_on()
        self._lifecycle.close()
        self._loader.close()
        self._launcher.close()
        self.guard.close()

    def _folders(self) -> list[ExtensionFolder]:
        return find_extensions(self._paths.extensions, self._paths.own_extensions)

    def _folder(self, name: str) -> ExtensionFolder:
        for folder in self._folders():
            if folder.name == name:
                return folder
        raise NotFound(f"There is no extension called {name!r}.", field="name")

    def _facts(self, folder: ExtensionFolder) -> Extension:
        plugin = self._roster.find(folder.name)
        found = Extension(folder.name, folder.folder, folder.is_bundled, folder.manifest, folder.fault)
        if folder.fault:
            return found
        if plugin is not None:
            return replace(
                found, state="enabled", hooks=tuple(sorted(plugin.hooks)), note=self._loader.note(folder.name)
            )
        if failure := self._lifecycle.failure(folder.name):
            return replace(found, state="failed", fault=failure)
        return replace(found, state="loading") if folder.name in self.loading else found

    def _having(self, hook: str) -> list[Plugin]:
        """Those with a hook of this name that has not failed too often."""
        return [one for one in self._roster.all if hook in one.hooks and not self._book.is_off(one.name, hook)]

    def _filters(self, hook: str, context: RequestContext, watch: ChainWatch) -> list[Step]:
        return filter_steps(self._having(hook), hook, context, watch, self.budgets.filter)

    def _collectors(self, hook: str, context: RequestContext | None) -> list[Step]:
        return [collect_step(one, hook, context, self._collect_seconds(one)) for one in self._having(hook)]

    def _collect_seconds(self, plugin: Plugin) -> float:
        """The program's own tools and views are not lost because the machine stood still for a moment."""
        return math.inf if plugin.name == BUILTIN else self.budgets.collect

    def _stages(self, context: RequestContext) -> list[Step]:
        return [stage_step(plugin, context, self.budgets.collect) for plugin in self._having(TRANSFORMER)]

    def _isolate(self, folder: ExtensionFolder) -> Isolated:
        return start_isolated(self._launcher, folder.folder, lambda sentence: self._book.log(folder.name, sentence))

    def _give_up(self, name: str) -> None:
        self._lifecycle.give_up(name)
