"""What the page shows while a reply is written: at most 25 updates a second, each as large as what is new."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from modules.app import App
from modules.engines.generation import Generation
from modules.services.chat import ReplyRecord
from modules.services.journal import LiveText
from modules.types.generation import Event, Progress, ReasoningDelta, TextDelta
from modules.ui.live_markup import LiveMarkup
from modules.ui.views import MessageViews

UPDATE_SECONDS = 0.04
# A slow machine gets fewer updates: rendering may take this share of the time.
RENDER_SHARE = 0.1
SAVE_PATIENCE_SECONDS = 2.0


async def live_updates(
    app: App, reply: LiveText[ReplyRecord], idle_seconds: float
) -> AsyncIterator[dict[str, Any] | None]:
    """From the reply's beginning to its end, whenever the reader comes; None when nothing happened for a while."""
    markup = LiveMarkup()
    async for update in paced(reply.generation, lambda events: update_of(events, markup), idle_seconds):
        yield update
    yield {"kind": "end", "view": await asyncio.to_thread(final_view, app, reply)}


async def paced(
    generation: Generation, update_of: Callable[[list[Event]], dict[str, Any] | None], idle_seconds: float
) -> AsyncIterator[dict[str, Any] | None]:
    """What `update_of` makes of all that happened since the last update; None also when nothing did for a while."""
    async for events in generation.batches(idle_seconds):
        started = time.perf_counter()
        yield update_of(events) if events else None
        cost = time.perf_counter() - started
        if generation.end is None:
            await asyncio.sleep(max(UPDATE_SECONDS, cost / RENDER_SHARE))


def update_of(events: list[Event], markup: LiveMarkup) -> dict[str, Any] | None:
    """One update for all that happened since the last one."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    if text or reasoning:
        update = markup.feed(text)
        return {"kind": "delta", "blocks": update.blocks, "tail": update.tail, "reasoning": reasoning}
    return progress_update(events)


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
        message = replace(message, content=reply.generation.text, state="failed", error=error)
    return MessageViews().view(message)
