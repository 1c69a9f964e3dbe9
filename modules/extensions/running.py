"""One reply on its way through the extensions: its text as it is written, and once more when it is whole."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from threading import Lock

from modules.extensions.checks import FLOOD_CHARS, FLOOD_TIMES, kind_of, sound_text
from modules.extensions.guard import Guard, Step, StepFault, Unfit, overrun, sentence_of
from modules.extensions.plugins import Plugin
from modules.types.generation import Event, Failed, Finished, Note, Replaced, TextDelta

HOOK = "stream_transformer"


class Stage:
    """One extension's transformer within a reply. Once it has ended, text passes it by."""

    def __init__(self, plugin: Plugin, feed: Callable[[str], object], end: Callable[[], object]) -> None:
        """The two are the transformer's own code, which may return anything."""
        self.plugin = plugin
        self.has_ended = False
        self._feed = feed
        self._end = end
        self._given: list[str] = []
        self._gave: list[str] = []
        self._given_chars = 0
        self._gave_chars = 0

    def give(self, text: str) -> None:
        """What `take` will hand over; kept, so that it can be had back."""
        self._given.append(text)
        self._given_chars += len(text)

    def take(self, text: str, *, is_last: bool) -> str:
        """The transformer's own code. Raises whatever that raises, and Unfit."""
        if not self.plugin.live:
            # Disabled while the reply is written: what it holds back comes out, and it is asked no more.
            return self._checked(self._end()) + text
        fed = self._checked(self._feed(text)) if text else ""
        return fed + self._checked(self._end()) if is_last else fed

    def gave(self, text: str, *, is_last: bool) -> None:
        self._gave.append(text)
        self.has_ended = is_last or not self.plugin.live

    def give_up(self, text: str) -> str:
        """What is shown instead of what it would have made of `text`, and of what it held back as far as one can tell.

        One that had only held text back, or passed it on, loses nothing.
        """
        self.has_ended = True
        given, gave = "".join(self._given), "".join(self._gave)
        return given[len(gave) :] if given.startswith(gave) else text

    def _checked(self, returned: object) -> str:
        if not isinstance(returned, str):
            raise Unfit(f"returned {kind_of(returned)} instead of text.")
        self._gave_chars += len(returned)
        if self._gave_chars > FLOOD_CHARS and self._gave_chars > FLOOD_TIMES * self._given_chars:
            raise Unfit(f"made {self._gave_chars:,} characters of {self._given_chars:,}.")
        return sound_text(returned)


class Place:
    """Where a reply stands: this event, with `text` on its way to the stage of that number."""

    def __init__(self, event: Event, text: str, stage: int = 0) -> None:
        self.event = event
        self.text = text
        self.stage = stage
        self.started = time.monotonic()

    @property
    def is_last(self) -> bool:
        return isinstance(self.event, Finished | Failed)


class ReplyStream:
    """`take` gets the engine's events on any thread and never waits; `deliver` gets them in order on the reply's own.

    A stage that fails is left out from there on; one that does not come back in `seconds` is left behind with its
    thread. `finish` gets the whole text that was shown, on the reply's thread, and tells what is kept of it, on any.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        deliver: Callable[[Event], None],
        finish: Callable[[str, Callable[[str], None]], None],
        *,
        guard: Guard,
        seconds: float,
        report: Callable[[StepFault], None],
    ) -> None:
        self._stages = stages
        self._deliver = deliver
        self._finish = finish
        self._threads = guard.threads
        self._watch = guard.watch
        self._seconds = seconds
        self._report = report
        self._returned = guard.returned
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._shown: list[str] = []
        self._notes: list[Note] = []
        self._lock = Lock()
        # Of the thread that counts; one that was left behind finds another number when it comes back.
        self._turn = 0
        self._at_work: Place | None = None
        if stages:
            self._watch.enter(self, self._look)
        self._threads.run(lambda: self._work(0, None))

    def take(self, event: Event) -> None:
        self._events.put(event)

    def _work(self, turn: int, place: Place | None) -> None:
        """Event by event until the end, unless a call is left behind here."""
        while True:
            if place is None:
                event = self._events.get()
                place = Place(event, event.text if isinstance(event, TextDelta) else "")
            text = self._through_stages(turn, place)
            if text is None:
                return
            if place.is_last:
                self._watch.leave(self)
            self._show(place.event, text)
            if place.is_last:
                return
            place = None

    def _through_stages(self, turn: int, place: Place) -> str | None:
        """What the stages make of a text; None when this thread has been left behind."""
        if not (place.text or place.is_last):
            return ""
        while place.stage < len(self._stages):
            stage = self._stages[place.stage]
            if not stage.has_ended and not self._through(turn, place, stage):
                self._returned(stage.plugin.name)
                return None
            place.stage += 1
        return place.text

    def _through(self, turn: int, place: Place, stage: Stage) -> bool:
        """Whether this thread still counts afterwards."""
        stage.give(place.text)
        place.started = time.monotonic()
        with self._lock:
            self._at_work = place
        fault: StepFault | None = None
        text = ""
        try:
            text = stage.take(place.text, is_last=place.is_last)
        except BaseException as error:  # noqa: BLE001 - the boundary: SystemExit and KeyboardInterrupt stop here too
            fault = StepFault(self._step(stage), sentence_of(error), error)
        with self._lock:
            if self._turn != turn:
                return False
            self._at_work = None
        if fault is not None:
            self._fail(place, stage, fault)
        else:
            stage.gave(text, is_last=place.is_last)
            place.text = text
        return True

    def _look(self) -> None:
        """Gives up a call that takes too long, and goes on after it on another thread."""
        with self._lock:
            place = self._at_work
            if place is None or time.monotonic() - place.started < self._seconds:
                return
            self._at_work = None
            self._turn += 1
            turn = self._turn
        stage = self._stages[place.stage]
        # A place of its own: the thread left behind still holds the other one.
        next_place = Place(place.event, place.text, place.stage)
        self._fail(next_place, stage, overrun(self._step(stage)))
        next_place.stage += 1
        self._threads.run(lambda: self._work(turn, next_place))

    def _fail(self, place: Place, stage: Stage, fault: StepFault) -> None:
        place.text = stage.give_up(place.text)
        self._report(fault)
        self._notes.append(Note(f"The extension {stage.plugin.name} failed in this reply and was left out of it."))

    def _show(self, event: Event, text: str) -> None:
        logprobs = event.logprobs if isinstance(event, TextDelta) else ()
        if text or logprobs:
            self._shown.append(text)
            self._deliver(TextDelta(text, logprobs))
        match event:
            case TextDelta():
                pass
            case Finished():
                self._end(event)
            case _:
                self._deliver(event)

    def _end(self, event: Finished) -> None:
        shown = "".join(self._shown)

        def kept_is(kept: str) -> None:
            if kept != shown:
                self._deliver(Replaced(kept))
            self._deliver(replace(event, notes=(*event.notes, *self._notes)))

        if shown:
            self._finish(shown, kept_is)
        else:
            kept_is(shown)

    def _step(self, stage: Stage) -> Step:
        """For the fault's sake alone."""
        return Step(stage.plugin.name, HOOK, self._seconds, lambda value: value)
