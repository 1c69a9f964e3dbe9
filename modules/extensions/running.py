"""One reply on its way through the extensions: its text as it is written, and once more when it is whole."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from threading import Lock

from modules.extensions.checks import FLOOD_CHARS, FLOOD_TIMES, kind_of, sound_text
from modules.extensions.guard import Chain, Guard, Step, StepFault, Turn, Unfit, never
from modules.extensions.plugins import Plugin
from modules.types.generation import Event, Failed, Finished, Note, Replaced, TextDelta

HOOK = "stream_transformer"


# What an event's text was before the first stage, and after each.
Texts = tuple[str, ...]


class Stage:
    """One extension's transformer within a reply. Once it has ended, text passes it by."""

    def __init__(self, plugin: Plugin, feed: Callable[[str], object], end: Callable[[], object]) -> None:
        """The two are the transformer's own code, which may return anything."""
        self.plugin = plugin
        self._feed = feed
        self._end = end
        self._is_ending = False
        self._has_ended = False
        self._given: list[str] = []
        self._gave: list[str] = []
        self._given_chars = 0
        self._gave_chars = 0

    def feed(self, texts: Texts) -> Texts:
        """With what it makes of the last text. Raises whatever the transformer raises, and Unfit."""
        return (*texts, self._take(texts[-1], is_last=False))

    def end(self, texts: Texts) -> Texts:
        """The same at the end of the reply."""
        return (*texts, self._take(texts[-1], is_last=True))

    def passed(self, given: str, gave: str) -> None:
        """It was asked in time; kept, so that what it holds back can be had."""
        self._given.append(given)
        self._gave.append(gave)
        self._has_ended |= self._is_ending

    def give_up(self, texts: Texts) -> Texts:
        """With what is shown instead of what it would have made, and of what it held back as far as one can tell.

        One that had only held text back, or passed it on, loses nothing.
        """
        text = texts[-1]
        if self._has_ended:
            return (*texts, text)
        self._has_ended = True
        given, gave = "".join((*self._given, text)), "".join(self._gave)
        return (*texts, given[len(gave) :] if given.startswith(gave) else text)

    def _take(self, text: str, *, is_last: bool) -> str:
        if self._has_ended:
            return text
        self._given_chars += len(text)
        is_live = self.plugin.live
        self._is_ending = is_last or not is_live
        if not is_live:
            # Disabled while the reply is written: what it holds back comes out, and it is asked no more.
            return self._checked(self._end()) + text
        fed = self._checked(self._feed(text)) if text else ""
        return fed + self._checked(self._end()) if is_last else fed

    def _checked(self, returned: object) -> str:
        if not isinstance(returned, str):
            raise Unfit(f"returned {kind_of(returned)} instead of text.")
        self._gave_chars += len(returned)
        if self._gave_chars > FLOOD_CHARS and self._gave_chars > FLOOD_TIMES * self._given_chars:
            raise Unfit(f"made {self._gave_chars:,} characters of {self._given_chars:,}.")
        return sound_text(returned)


class ReplyStream:
    """`take` gets the engine's events on any thread and never waits; `deliver` gets them in order on others.

    A stage that fails is left out from there on; one that does not come back in `seconds` is left behind with its
    thread. `finish` gets the whole text that was shown, on such a thread, and tells what is kept of it, on any.
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
        self._feeds = [step_of(stage, stage.feed, seconds) for stage in stages]
        self._ends = [step_of(stage, stage.end, seconds) for stage in stages]
        self._deliver = deliver
        self._finish = finish
        self._guard = guard
        self._report = report
        self._events: deque[Event] = deque()
        self._lock = Lock()
        self._at_work = False
        self._shown: list[str] = []
        self._notes: list[Note] = []

    def take(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
            begins, self._at_work = not self._at_work, True
        if begins:
            self._guard.threads.run(self._work)

    def _work(self) -> None:
        """All events that there are, unless this thread is left behind with a stage."""
        while (event := self._next()) is not None:
            if not self._pass(event, Turn.of([self._chain(event)])):
                return

    def _next(self) -> Event | None:
        """None when there is nothing to do for now."""
        with self._lock:
            self._at_work = bool(self._events)
            return self._events.popleft() if self._events else None

    def _chain(self, event: Event) -> Chain:
        """The way of its text through the stages."""
        text = event.text if isinstance(event, TextDelta) else ""
        if isinstance(event, Finished | Failed):
            return Chain(self._ends, (text,))
        return Chain(self._feeds if text else (), (text,))

    def _pass(self, event: Event, turn: Turn) -> bool:
        """Whether this thread still counts afterwards."""

        def go_on(rest: Turn) -> None:
            if self._pass(event, rest):
                self._work()

        is_whole = self._guard.take(turn, never, go_on)
        if is_whole:
            for fault in turn.faults:
                self._report(fault)
                left_out = f"The extension {fault.step.extension} failed in this reply and was left out of it."
                self._notes.append(Note(left_out))
            texts: Texts = turn.values[0]
            for stage, (given, gave) in zip(self._stages, pairwise(texts), strict=False):
                stage.passed(given, gave)
            self._show(event, texts[-1])
        return is_whole

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


def step_of(stage: Stage, run: Callable[[Texts], Texts], seconds: float) -> Step:
    return Step(stage.plugin.name, HOOK, seconds, run, stage.give_up, may_wait=False)
