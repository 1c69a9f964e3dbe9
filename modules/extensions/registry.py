"""The extensions of the program: found, enabled, disabled, and asked for what they have."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock, RLock
from typing import Any

from pydantic import BaseModel, ValidationError

from modules.engines.protocol import EngineKind
from modules.engines.registry import EngineKinds
from modules.errors import BadRequest, ExtensionFault, ModelError, NotFound, ParlorError
from modules.extensions import builtin
from modules.extensions.checks import FILTERED, checked_settings_model, filtered, handed, items_of, kind_of
from modules.extensions.contracts import ExtensionHost, RequestContext, StreamTransformer
from modules.extensions.facts import Extension, Fault, Given
from modules.extensions.faults import FaultBook
from modules.extensions.folders import BUILTIN, ExtensionFolder, find_extensions
from modules.extensions.guard import Guard, Step, StepFault, Unfit
from modules.extensions.loading import Loader
from modules.extensions.manifest import Manifest
from modules.extensions.observers import Observers
from modules.extensions.plugins import Plugin
from modules.extensions.running import HOOK as TRANSFORMER
from modules.extensions.running import ReplyStream, Stage
from modules.extensions.settings_values import plain_values
from modules.paths import Paths
from modules.storage.extension_states import ExtensionStates
from modules.types.estimates import MemoryEstimate
from modules.types.extension_source import ExtensionSource
from modules.types.faults import fault_of
from modules.types.generation import Event

Deliver = Callable[[Event], None]
HostFor = Callable[[Manifest], ExtensionHost]


@dataclass(frozen=True)
class Budgets:
    """Seconds that a call of an extension's code may take."""

    load: float = 10.0
    filter: float = 1.0
    collect: float = 1.0
    feed: float = 0.25
    observe: float = 10.0
    close: float = 2.0


@dataclass(frozen=True)
class ChainWatch:
    """`changed` is told which extension has changed something by which hook, `cancelled` tells that nobody waits."""

    changed: Callable[[str, str], None] = lambda _extension, _hook: None
    cancelled: Callable[[], bool] = lambda: False


UNWATCHED = ChainWatch()


class Extensions:
    """Any thread may call. Nothing that an extension does ends a reply or the program."""

    def __init__(self, paths: Paths, states: ExtensionStates, budgets: Budgets = Budgets()) -> None:
        """Nothing is enabled before `start` but what the program itself brings."""
        self.budgets = budgets
        self._paths = paths
        self._states = states
        self._book = FaultBook(self._give_up)
        self.guard = Guard(self._book.returned)
        self._observers = Observers(self.guard.threads)
        self._loader = Loader()
        self._changing = RLock()
        self._lock = Lock()
        self._host_for: HostFor | None = None
        self._failed: dict[str, str] = {}
        own = self._loader.register(BUILTIN, ExtensionSource(BUILTIN, paths.extensions, "", 0.0), builtin)
        self._plugins: tuple[Plugin, ...] = (own,)
        self.kinds = EngineKinds(own.invoke("engines"))

    def start(self, host_for: HostFor) -> None:
        """Enable those that were enabled when the program ended; one that cannot be says so on its card."""
        self._host_for = host_for
        for name in self._states.enabled():
            try:
                self._enable(self._folder(name))
            except ParlorError as error:
                self._failed[name] = str(error)

    def all(self) -> list[Extension]:
        """Every folder found, sound or not; imports nothing."""
        return [self._facts(folder) for folder in self._folders()]

    def find(self, name: str) -> Extension:
        """Raises NotFound."""
        return self._facts(self._folder(name))

    def enable(self, name: str) -> Extension:
        """Import it and call its `started`; its faults are forgotten. Raises BadRequest when it cannot be."""
        with self._changing:
            folder = self._folder(name)
            self._enable(folder)
            self._states.enable(name)
        return self._facts(folder)

    def disable(self, name: str) -> Extension:
        """What it gave is gone at once; `stopping` is called after that."""
        with self._changing:
            folder = self._folder(name)
            self._states.disable(name)
            self._failed.pop(name, None)
            self._unload(name)
        return self._facts(folder)

    def settings(self, name: str) -> BaseModel | None:
        """What the person chose; None when it is not enabled or has nothing to set."""
        plugin = self._plugin(name)
        return plugin.settings if plugin is not None else None

    def set_settings(self, name: str, values: Mapping[str, Any]) -> BaseModel:
        """The fields that are given change. Raises BadRequest that names the field."""
        plugin = self._plugin(name)
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
        """The JSON schema that the form is made from."""
        plugin = self._plugin(name)
        if plugin is None or plugin.settings_model is None:
            return None
        return plugin.settings_model.model_json_schema()

    def chain(self, hook: str, value: Any, context: RequestContext, watch: ChainWatch = UNWATCHED) -> Any:
        """What the filters of this name make of `value`, one after another."""
        plugins = self._having(hook)
        if not plugins:
            return value
        steps = [self._filter_step(hook, plugin, context, watch) for plugin in plugins]
        return self._run(steps, value, watch.cancelled)

    def reply_stream(
        self, context: RequestContext, deliver: Deliver, watch: ChainWatch = UNWATCHED
    ) -> ReplyStream | None:
        """What takes the engine's events of one reply and delivers them as extensions change them; None without any."""
        stages: tuple[Stage, ...] = self._run(
            [self._stage_step(plugin, context) for plugin in self._having(TRANSFORMER)], ()
        )
        has_filter = context.source != "notebook" and bool(self._having("filter_reply"))
        if not stages and not has_filter:
            return None
        return ReplyStream(
            stages,
            deliver,
            lambda text: self.chain("filter_reply", text, context, watch) if has_filter else text,
            guard=self.guard,
            seconds=self.budgets.feed,
            report=self._book.add,
        )

    def source(self, name: str) -> ExtensionSource:
        """What a worker imports of one that is enabled. Raises NotFound."""
        plugin = self._plugin(name)
        if plugin is None:
            raise NotFound(f"The extension {name} is not enabled.", field="name")
        return plugin.source

    def record_fault(self, name: str, hook: str, sentence: str) -> None:
        """Of a failure that shows later than in the hook itself."""
        self._book.add(StepFault(Step(name, hook, 0.0, lambda value: value), sentence))

    def collect(self, hook: str, context: RequestContext | None = None) -> tuple[Given, ...]:
        """What the hooks of this name give, in the extensions' order."""
        return self._run([self._collect_step(hook, plugin, context) for plugin in self._having(hook)], ())

    def call(
        self, extension: str, what: str, function: Callable[..., Any], *args: Any, seconds: float, returns: type
    ) -> Any:
        """What `function`, which an extension gave, returns. Raises ExtensionFault with a sentence.

        A ValueError or an error of the program's own is the function's answer; everything else counts as a fault.
        """
        if self._book.is_off(extension, what):
            raise ExtensionFault(
                f"{extension}: {what} has failed too often and is off until the extension is enabled again."
            )

        def run(_value: Any) -> Any:
            returned = function(*args)
            if not isinstance(returned, returns):
                raise Unfit(f"returned {kind_of(returned)} instead of {returns.__name__}.")
            return returned

        value, faults = self.guard.run([Step(extension, what, seconds, run)], None)
        for fault in faults:
            if isinstance(fault.error, ValueError | ParlorError):
                raise ExtensionFault(str(fault.error)) from fault.error
            self._book.add(fault)
            raise ExtensionFault(f"{extension}: {what} {fault.sentence}") from fault.error
        return value

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell those who observe this; nobody waits for them."""
        plugins = self._having(hook)
        if plugins:
            steps = [self._observe_step(hook, plugin, arguments, self.budgets.observe) for plugin in plugins]
            self._observers.tell(lambda: self._run(steps, None))

    def faults(self, name: str) -> list[Fault]:
        """Since it was enabled last, oldest first."""
        return self._book.faults(name)

    def log(self, name: str) -> list[str]:
        return self._book.lines(name)

    def write_log(self, name: str, text: str) -> None:
        self._book.log(name, text)

    def close(self) -> None:
        """Every `stopping` is called, for two seconds at most each."""
        with self._changing:
            plugins, self._plugins = self._plugins, ()
            for plugin in plugins:
                plugin.live = False
            stopping = [plugin for plugin in plugins if "stopping" in plugin.hooks]
            self._run([self._observe_step("stopping", plugin, {}, self.budgets.close) for plugin in stopping], None)
            self._observers.close()
            self._loader.close()
            self.guard.close()

    def _folders(self) -> list[ExtensionFolder]:
        return find_extensions(self._paths.extensions, self._paths.own_extensions)

    def _folder(self, name: str) -> ExtensionFolder:
        for folder in self._folders():
            if folder.name == name:
                return folder
        raise NotFound(f"There is no extension called {name!r}.", field="name")

    def _facts(self, folder: ExtensionFolder) -> Extension:
        plugin = self._plugin(folder.name)
        found = Extension(folder.name, folder.folder, folder.is_bundled, folder.manifest, folder.fault)
        if folder.fault:
            return found
        if plugin is not None:
            return replace(found, state="enabled", hooks=tuple(sorted(plugin.hooks)))
        if folder.name in self._failed:
            return replace(found, state="failed", fault=self._failed[folder.name])
        return found

    def _plugin(self, name: str) -> Plugin | None:
        return next((plugin for plugin in self._plugins if plugin.name == name), None)

    def _having(self, hook: str) -> list[Plugin]:
        """Those with a hook of this name that has not failed too often."""
        plugins = self._plugins
        return [one for one in plugins if hook in one.hooks and not self._book.is_off(one.name, hook)]

    def _run(self, steps: Sequence[Step], value: Any, cancelled: Callable[[], bool] = lambda: False) -> Any:
        if not steps:
            return value
        value, faults = self.guard.run(steps, value, cancelled)
        for fault in faults:
            self._book.add(fault)
        return value

    def _enable(self, folder: ExtensionFolder) -> None:
        """Raises BadRequest."""
        if folder.fault or folder.manifest is None:
            raise BadRequest(folder.fault, field="name")
        self._unload(folder.name)
        self._book.clear(folder.name)
        self._failed.pop(folder.name, None)
        try:
            plugin = self._load(folder)
        except BadRequest as error:
            self._loader.unload(folder.name)
            self._failed[folder.name] = str(error)
            raise
        if "started" in plugin.hooks and self._host_for is not None:
            host = self._host_for(folder.manifest)
            self._run([self._observe_step("started", plugin, {"host": host}, self.budgets.observe)], None)
        with self._lock:
            self._plugins = (*self._plugins, plugin)
        self._book.log(folder.name, "enabled")

    def _load(self, folder: ExtensionFolder) -> Plugin:
        """Raises BadRequest with the reason."""
        module = self._must(folder, "import", lambda: self._loader.import_entry(folder), self.budgets.load)
        plugin = self._loader.register(folder.name, source_of(folder), module)
        if "settings_model" in plugin.hooks:
            model = self._must(
                folder,
                "settings_model",
                lambda: checked_settings_model(plugin.invoke("settings_model")),
                self.budgets.collect,
            )
            plugin.settings_model = model
            plugin.settings = self._must(
                folder, "settings_model", lambda: self._kept_settings(folder.name, model), self.budgets.collect
            )
        if "engines" in plugin.hooks:
            self._add_engines(folder, plugin)
        return plugin

    def _add_engines(self, folder: ExtensionFolder, plugin: Plugin) -> None:
        """Raises BadRequest."""
        kinds = self._must(
            folder, "engines", lambda: items_of("engines", plugin.invoke("engines")), self.budgets.collect
        )
        self.kinds.add([self._contained(plugin.name, kind) for kind in kinds], plugin.source)

    def _contained(self, extension: str, kind: EngineKind) -> EngineKind:
        """The same with what is asked of it here, in the program's own process, behind the guard."""

        def estimate(*asked: Any) -> MemoryEstimate:
            try:
                return self.call(
                    extension,
                    f"engine {kind.name}",
                    kind.estimate,
                    *asked,
                    seconds=self.budgets.collect,
                    returns=MemoryEstimate,
                )
            except ExtensionFault as error:
                raise ModelError(str(error)) from error

        return kind._replace(estimate=estimate, token_cost=None)

    def _must(self, folder: ExtensionFolder, what: str, make: Callable[[], Any], seconds: float) -> Any:
        """What is needed before an extension can be enabled. Raises BadRequest."""
        value, faults = self.guard.run([Step(folder.name, what, seconds, lambda _value: make())], None)
        for fault in faults:
            self._book.add(fault)
            title = folder.manifest.title if folder.manifest is not None else folder.name
            raise BadRequest(f"{title} cannot be enabled: {what} {fault.sentence}", field="name") from fault.error
        return value

    def _kept_settings(self, name: str, model: type[BaseModel]) -> BaseModel:
        """What was set before; the defaults where that does not fit any more."""
        try:
            return model.model_validate(self._states.settings(name))
        except ValidationError as error:
            self._book.log(name, f"Its settings no longer fit and are as they were at first: {error}")
            return model()

    def _unload(self, name: str) -> None:
        plugin = self._take_out(name)
        self.kinds.remove(name)
        if plugin is not None and "stopping" in plugin.hooks:
            self._run([self._observe_step("stopping", plugin, {}, self.budgets.observe)], None)
        self._loader.unload(name)
        if plugin is not None:
            self._book.log(name, "disabled")

    def _take_out(self, name: str) -> Plugin | None:
        with self._lock:
            plugin = self._plugin(name)
            if plugin is not None:
                plugin.live = False
                self._plugins = tuple(one for one in self._plugins if one is not plugin)
        return plugin

    def _give_up(self, name: str) -> None:
        """It left too many calls behind: off, without asking it anything any more."""
        if self._take_out(name) is not None:
            self.kinds.remove(name)
            self._failed[name] = "It left too many calls behind that never returned, so it was switched off."
            self._book.log(name, self._failed[name])
            self._states.disable(name)

    def _filter_step(self, hook: str, plugin: Plugin, context: RequestContext, watch: ChainWatch) -> Step:
        argument = FILTERED[hook]

        def run(value: Any) -> Any:
            arguments = {argument: handed(value), "context": plugin.context(context)}
            after = filtered(hook, value, plugin.invoke(hook, **arguments))
            if after is not value:
                watch.changed(plugin.name, hook)
            return after

        return Step(plugin.name, hook, self.budgets.filter, run)

    def _collect_step(self, hook: str, plugin: Plugin, context: RequestContext | None) -> Step:
        def run(so_far: tuple[Given, ...]) -> tuple[Given, ...]:
            returned = plugin.invoke(hook, context=plugin.context(context))
            return (*so_far, *(Given(plugin.name, item) for item in items_of(hook, returned)))

        return Step(plugin.name, hook, self.budgets.collect, run)

    def _stage_step(self, plugin: Plugin, context: RequestContext) -> Step:
        def run(so_far: tuple[Stage, ...]) -> tuple[Stage, ...]:
            made = plugin.invoke(TRANSFORMER, context=plugin.context(context))
            if not isinstance(made, StreamTransformer):
                raise Unfit(f"returned {kind_of(made)} without feed and end.")
            return (*so_far, Stage(plugin, made))

        return Step(plugin.name, TRANSFORMER, self.budgets.collect, run)

    def _observe_step(self, hook: str, plugin: Plugin, arguments: Mapping[str, Any], seconds: float) -> Step:
        def run(_value: Any) -> None:
            context = arguments.get("context")
            own = {**arguments, "context": plugin.context(context)} if context is not None else arguments
            plugin.invoke(hook, **own)

        return Step(plugin.name, hook, seconds, run)


def source_of(folder: ExtensionFolder) -> ExtensionSource:
    assert folder.manifest is not None
    return ExtensionSource(folder.name, folder.folder, folder.manifest.entry, time.time())
