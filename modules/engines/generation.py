"""One run of a model as its readers see it: the single crossing between engine and reader."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress

from modules.types.generation import (
    Event,
    Failed,
    Finished,
    Progress,
    ReasoningDelta,
    Replaced,
    TextDelta,
)


class Generation:
    """A growing list of events that any number of readers follow, each from the beginning.

    The engine's side calls `put` from any thread; the first Finished or Failed ends it, later events are dropped.
    Readers are threads (`for event in generation`) or coroutines (`async for`).
    """

    def __init__(self) -> None:
        self.id = secrets.token_hex(16)
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._sleepers: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._end: Finished | Failed | None = None
        self._cancelled = False
        self._on_cancel: Callable[[], None] | None = None
        self._on_end: list[Callable[[], None]] = []

    @property
    def end(self) -> Finished | Failed | None:
        """The last event, once there is one."""
        return self._end

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    @property
    def events(self) -> list[Event]:
        """What came so far."""
        return list(self._events)

    @property
    def text(self) -> str:
        """What was written, or what is kept of it."""
        return written(self.events)

    @property
    def reasoning(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ReasoningDelta))

    def put(self, event: Event) -> None:
        with self._changed:
            if self._end is not None:
                return
            self._events.append(event)
            if isinstance(event, Finished | Failed):
                self._end = event
            sleepers, self._sleepers = self._sleepers, []
            self._changed.notify_all()
        for loop, future in sleepers:
            # A loop that is closed has no reader left.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(wake, future)
        if self._end is not None:
            self._tell_end()

    def cancel(self) -> None:
        """Ask for the end; the last event follows from whoever works on it now. Any thread, any number of times."""
        with self._changed:
            self._cancelled = True
            action = self._on_cancel
        if action is not None and self._end is None:
            action()

    def on_cancel(self, action: Callable[[], None]) -> None:
        """What `cancel` does from now on; runs at once when it was cancelled already."""
        with self._changed:
            self._on_cancel = action
            already = self._cancelled
        if already:
            action()

    def on_end(self, action: Callable[[], None]) -> None:
        """Call `action` once the generation has ended (at once if it has), on the thread that ends it."""
        with self._changed:
            self._on_end.append(action)
        if self._end is not None:
            self._tell_end()

    def __iter__(self) -> Iterator[Event]:
        place = 0
        while True:
            with self._changed:
                while place >= len(self._events):
                    self._changed.wait()
                event = self._events[place]
            yield event
            if event is self._end:
                return
            place += 1

    async def batches(self, idle_seconds: float | None = None) -> AsyncIterator[list[Event]]:
        """All events that came since the last turn, at once; an empty list after `idle_seconds` without any."""
        place = 0
        while True:
            events = self._events[place:]
            if not events:
                await self._sleep(place, idle_seconds)
                events = self._events[place:]
            yield events
            place += len(events)
            if self._end is not None and place == len(self._events):
                return

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for events in self.batches():
            for event in events:
                yield event

    async def started(self) -> None:
        """Return once there is something other than progress: from here on it answers, or has failed."""
        async for event in self:
            if not isinstance(event, Progress):
                return

    async def _sleep(self, place: int, idle_seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._changed:
            if place < len(self._events):
                return
            self._sleepers.append((loop, future))
        alarm = loop.call_later(idle_seconds, wake, future) if idle_seconds is not None else None
        await future
        if alarm is not None:
            alarm.cancel()

    def _tell_end(self) -> None:
        with self._changed:
            actions, self._on_end = self._on_end, []
        for action in actions:
            action()


def written(events: Sequence[Event]) -> str:
    texts: list[str] = []
    for event in events:
        match event:
            case TextDelta():
                texts.append(event.text)
            case Replaced():
                texts = [event.text]
            case _:
                pass
    return "".join(texts)


def wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
