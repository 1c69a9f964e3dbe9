"""One extension's hook as a step that the guard takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from modules.extensions.checks import FILTERED, Handing, checked_pieces, filtered, items_of, kind_of
from modules.extensions.contracts import RequestContext
from modules.extensions.facts import Given
from modules.extensions.guard import Step, Unfit, never
from modules.extensions.plugins import Plugin
from modules.extensions.running import HOOK as TRANSFORMER
from modules.extensions.running import Stage
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams

WRITER = "write_reply"


@dataclass(frozen=True)
class ChainWatch:
    """`changed` is told which extension has changed something by which hook, `cancelled` tells that nobody waits."""

    changed: Callable[[str, str], None] = lambda _extension, _hook: None
    cancelled: Callable[[], bool] = never


UNWATCHED = ChainWatch()


@dataclass(frozen=True)
class Draft:
    """A request before its prompt is made: what is asked, and what extensions add to it and to its reply."""

    messages: tuple[Message, ...]
    params: ReplyParams
    processors: tuple[Given, ...] = ()
    stages: tuple[Stage, ...] = ()


def filter_steps(
    plugins: Sequence[Plugin], hook: str, context: RequestContext, watch: ChainWatch, seconds: float
) -> list[Step]:
    """Each from a value to what that filter makes of it."""
    handing, argument = Handing(), FILTERED[hook]

    def run(plugin: Plugin, value: Any) -> Any:
        own = handing.of(value)
        made = plugin.invoke(hook, **{argument: own, "context": plugin.context(context)})
        after = filtered(hook, value, handing.returned(value, own, made))
        if after is not value:
            watch.changed(plugin.name, hook)
        return after

    return [Step(plugin.name, hook, seconds, partial(run, plugin)) for plugin in plugins]


def collect_step(plugin: Plugin, hook: str, context: RequestContext | None, seconds: float) -> Step:
    """From what was given so far to the same with this extension's."""

    def run(so_far: tuple[Given, ...]) -> tuple[Given, ...]:
        returned = plugin.invoke(hook, context=plugin.context(context))
        return (*so_far, *[Given(plugin.name, item) for item in items_of(hook, returned)])

    return Step(plugin.name, hook, seconds, run)


def stage_step(plugin: Plugin, context: RequestContext, seconds: float) -> Step:
    """The same with transformers of a reply."""

    def run(so_far: tuple[Stage, ...]) -> tuple[Stage, ...]:
        made = plugin.invoke(TRANSFORMER, context=plugin.context(context))
        try:
            return (*so_far, Stage(plugin, made.feed, made.end))
        except AttributeError:
            raise Unfit(f"returned {kind_of(made)} without feed and end.") from None

    return Step(plugin.name, TRANSFORMER, seconds, run)


def writer_step(plugin: Plugin, prompt: str, context: RequestContext, seconds: float) -> Step:
    """From None to what this extension writes, if it does; who comes later is not asked."""

    def run(so_far: Given | None) -> Given | None:
        if so_far is not None:
            return so_far
        pieces = plugin.invoke(WRITER, prompt=prompt, context=plugin.context(context))
        return None if pieces is None else Given(plugin.name, checked_pieces(pieces))

    return Step(plugin.name, WRITER, seconds, run)


def observe_step(plugin: Plugin, hook: str, arguments: Mapping[str, Any], seconds: float) -> Step:
    """Nothing comes of it."""

    def run(_value: Any) -> None:
        context = arguments.get("context")
        own = {**arguments, "context": plugin.context(context)} if context is not None else arguments
        plugin.invoke(hook, **own)

    return Step(plugin.name, hook, seconds, run)
