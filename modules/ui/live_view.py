"""What the page shows while a reply is written: at most 25 updates a second, each as large as what is new."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

from modules.app import App
from modules.engines.generation import Generation
from modules.services.chat import ReplyRecord
from modules.services.journal import LiveText
from modules.services.tool_reply import calls_of
from modules.types.generation import Event, Progress, ReasoningDelta, TextDelta
from modules.types.tools import CallChanged, CallRecord
from modules.ui.live_markup import LiveMarkup
from modules.ui.views import MessageViews, call_view

Update = TypeVar("Update")
UPDATE_SECONDS = 0.04
# A slow machine gets fewer updates: rendering may take this share of the time.
RENDER_SHARE = 0.1
SAVE_PATIENCE_SECONDS = 2.0


async def live_updates(
    app: App, reply: LiveText[ReplyRecord], idle_seconds: float
) -> AsyncIterator[dict[str, Any] | None]:
    """From the reply's beginning to its end, whenever the reader comes; None when nothing happened for a while."""
    updates_of = ReplyUpdates().of
    async for updates in paced(reply.generation, updates_of, idle_seconds):
        for update in updates or [None]:
            yield update
    yield {"kind": "end", "view": await asyncio.to_thread(final_view, app, reply)}


async def paced(
    generation: Generation, update_of: Callable[[list[Event]], Update], idle_seconds: float
) -> AsyncIterator[Update | None]:
    """What `update_of` makes of all that happened since the last update; None also when nothing did for a while."""
    async for events in generation.batches(idle_seconds):
        started = time.perf_counter()
        yield update_of(events) if events else None
        cost = time.perf_counter() - started
        if generation.end is None:
            await asyncio.sleep(max(UPDATE_SECONDS, cost / RENDER_SHARE))


class ReplyUpdates:
    """What a reply's events are on the page: stretches of text, and the calls of tools between them."""

    def __init__(self) -> None:
        self._markup = LiveMarkup()
        self._calls: set[str] = set()

    def of(self, events: list[Event]) -> list[dict[str, Any]]:
        """All that happened since the last time, in as few updates as keep its order."""
        updates: list[dict[str, Any]] = []
        for is_call, group in groupby(events, lambda event: isinstance(event, CallChanged)):
            some = list(group)
            if is_call:
                updates += [self._call(event.call) for event in some if isinstance(event, CallChanged)]
            elif update := self._text(some) or progress_update(some):
                updates.append(update)
        return updates

    def _text(self, events: list[Event]) -> dict[str, Any] | None:
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
        if not text and not reasoning:
            return None
        update = self._markup.feed(text)
        return {"kind": "delta", "blocks": update.blocks, "tail": update.tail, "reasoning": reasoning}

    def _call(self, call: CallRecord) -> dict[str, Any]:
        if call.id not in self._calls:
            self._calls.add(call.id)
            # What follows a new call stands below it.
            self._markup = LiveMarkup()
        return {"kind": "call", "call": call_view(call)}


def progress_update(events: list[Event]) -> dict[str, Any] | None:
    """How far the newest of them tells that it is."""
    progress = next((event for event in reversed(events) if isinstance(event, Progress)), None)
    if progress is None:
        return None
    return {
        "kind": "progress",
        "stage": progress.stage,
        "fraction": progress.fraction,
        "position": progress.position,
        "note": progress.note,
    }


def final_view(app: App, reply: LiveText[ReplyRecord]) -> dict[str, Any]:
    """The saved message; when it cannot be saved now, what it says all the same."""
    saved = reply.saved.wait(SAVE_PATIENCE_SECONDS)
    message = app.chat.message(reply.record.message_id)
    if not saved:
        error = "This reply could not be saved yet: the disk or the database refuses. Parlor keeps trying."
        calls = calls_of(reply.generation)
        message = replace(message, content=reply.generation.text, calls=calls, state="failed", error=error)
    return MessageViews().view(message)
