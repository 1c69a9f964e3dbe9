"""Every call of an extension's code goes through here: bounded in time, and unable to take anything down with it."""

import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modules.extension_packages import PREFIX
from modules.extensions.threads import Threads, end_own_code
from modules.extensions.watch import Watch

SENTENCE_CHARS = 400
# How often it is looked whether anyone still waits for an extension that waits for the program.
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Step:
    """One call. `run` gets the value so far and returns the next one; what it raises is a fault, and the value stays.

    `hook` names what is called, on the extension's card.
    """

    extension: str
    hook: str
    seconds: float
    run: Callable[[Any], Any]


@dataclass(frozen=True)
class StepFault:
    """`left_behind` says that the call has not returned, and its thread was given up."""

    step: Step
    sentence: str
    error: BaseException | None = None
    left_behind: bool = False


class Unfit(Exception):
    """What an extension gave is of the wrong kind; the message continues "filter_reply ..."."""


class Guard:
    """Any thread may call. `returned` is told when a call that was given up has come back after all."""

    def __init__(self, returned: Callable[[str], None] = lambda _extension: None) -> None:
        self.threads = Threads("extension")
        self.watch = Watch()
        self.returned = returned
        self._at_work = threading.local()

    def run(
        self, steps: Sequence[Step], value: Any, cancelled: Callable[[], bool] = lambda: False
    ) -> tuple[Any, tuple[StepFault, ...]]:
        """(what comes of `value` when the steps are taken one after another, their faults).

        One hop to another thread for all of them. A step that takes longer than it may is given up there, and the rest
        is taken on a new thread. Once `cancelled`, a step that waits for the program is given up too, without a fault.
        """
        faults: list[StepFault] = []
        place = 0
        while place < len(steps):
            turn = Turn(steps, place, value, self.returned)
            self.threads.run(lambda turn=turn: self._work(turn))
            place, value = turn.wait(cancelled)
            faults += turn.faults
        return value, tuple(faults)

    def begin(self, steps: Sequence[Step], value: Any, done: Callable[[Any, tuple[StepFault, ...]], None]) -> None:
        """The same without waiting: `done` is told what comes of it, on any thread, and must not raise."""
        self._go_on(steps, 0, value, (), done)

    def _go_on(
        self,
        steps: Sequence[Step],
        place: int,
        value: Any,
        faults: tuple[StepFault, ...],
        done: Callable[[Any, tuple[StepFault, ...]], None],
    ) -> None:
        if place == len(steps):
            done(value, faults)
            return
        turn = Turn(steps, place, value, self.returned)

        def work() -> None:
            if self._work(turn):
                self.watch.leave(turn)
                done(turn.value, (*faults, *turn.faults))

        def look() -> None:
            left = turn.give_up_if_late()
            if left is not None:
                self.watch.leave(turn)
                self._go_on(steps, *left, (*faults, *turn.faults), done)

        self.watch.enter(turn, look)
        self.threads.run(work)

    @contextmanager
    def program_at_work(self, give_up: Callable[[], None]) -> Generator[None]:
        """Within it an extension waits for something that the program does for it, which is not counted as its time.

        `give_up` is called when nobody waits for the extension any more.
        """
        turn: Turn | None = self._at_work.__dict__.get("turn")
        if turn is None:
            yield
            return
        turn.pause(give_up)
        try:
            yield
        finally:
            turn.resume()

    def _work(self, turn: "Turn") -> bool:
        """Whether it came to the end of the steps, and was not given up."""
        self._at_work.turn = turn
        is_whole = turn.work()
        self._at_work.turn = None
        return is_whole

    def close(self) -> None:
        self.threads.close()


class Turn:
    """Steps from `place` on, taken by one thread while another watches the clock."""

    def __init__(self, steps: Sequence[Step], place: int, value: Any, returned: Callable[[str], None]) -> None:
        self.faults: list[StepFault] = []
        self.value = value
        self._steps = steps
        self._place = place
        self._returned = returned
        self._started = time.monotonic()
        self._given_up = False
        self._thread = 0
        self._paused_at = 0.0
        self._paused: Callable[[], None] | None = None
        self._changed = threading.Condition()

    def work(self) -> bool:
        """On the extension's thread; whether that came to the end, and was not given up."""
        self._thread = threading.get_ident()
        while self._place < len(self._steps):
            step = self._steps[self._place]
            outcome = attempt(step, self.value)
            with self._changed:
                if self._given_up:
                    break
                if isinstance(outcome, StepFault):
                    self.faults.append(outcome)
                else:
                    self.value = outcome.value
                self._place += 1
                self._started = time.monotonic()
                if self._place == len(self._steps):
                    self._changed.notify_all()
        if any(fault.left_behind for fault in self.faults):
            self._returned(self._steps[self._place].extension)
        return not self._given_up

    def wait(self, cancelled: Callable[[], bool]) -> tuple[int, Any]:
        """(the step to go on with, the value so far), at the end or when a step has taken too long."""
        with self._changed:
            while self._place < len(self._steps):
                if self._paused is not None:
                    if cancelled():
                        self._given_up = True
                        break
                    self._changed.wait(LOOK_SECONDS)
                    continue
                if (left := self.give_up_if_late()) is not None:
                    return left
                self._changed.wait(self._started + self._steps[self._place].seconds - time.monotonic())
        if self._given_up and self._paused is not None:
            self._paused()
        return len(self._steps), self.value

    def give_up_if_late(self) -> tuple[int, Any] | None:
        """The same when a step has taken too long; otherwise None."""
        with self._changed:
            if self._place == len(self._steps) or self._paused is not None:
                return None
            step = self._steps[self._place]
            if time.monotonic() < self._started + step.seconds:
                return None
            self._given_up = True
            self.faults.append(overrun(step))
            end_own_code(self._thread)
            return self._place + 1, self.value

    def pause(self, give_up: Callable[[], None]) -> None:
        """On the extension's thread: from here to `resume` the clock stands still."""
        with self._changed:
            self._paused = give_up
            self._paused_at = time.monotonic()
            self._changed.notify_all()
            too_late = self._given_up
        if too_late:
            give_up()

    def resume(self) -> None:
        with self._changed:
            self._paused = None
            self._started += time.monotonic() - self._paused_at
            self._changed.notify_all()


@dataclass(frozen=True)
class Outcome:
    value: Any


def attempt(step: Step, value: Any) -> Outcome | StepFault:
    """Whatever an extension raises, also what would end the program, goes no further than this."""
    try:
        return Outcome(step.run(value))
    except BaseException as error:  # noqa: BLE001 - the boundary: SystemExit and KeyboardInterrupt stop here too
        return StepFault(step, sentence_of(error), error)


def overrun(step: Step) -> StepFault:
    return StepFault(step, f"took longer than {step.seconds:g} s and was left behind.", left_behind=True)


def sentence_of(error: BaseException) -> str:
    """What was raised, and where in the extension; on the extension's thread, for the text is its own code's."""
    if isinstance(error, Unfit):
        return str(error)
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - the boundary again: its message may raise too
        text = "(its message cannot be read)"
    raised = f"raised {type(error).__name__}"
    said = f"{raised}: {text}"[:SENTENCE_CHARS] if text else raised
    return f"{said}{place_of(error)}."


def place_of(error: BaseException) -> str:
    """The innermost line of the extension's own code."""
    own = [
        (frame.f_globals.get("__name__", ""), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith(PREFIX)
    ]
    if not own:
        return ""
    module, line = own[-1]
    return f" ({module.partition('.')[2] or '__init__'}.py, line {line})"
