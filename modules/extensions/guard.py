"""Every call of an extension's code goes through here: bounded in time, and unable to take anything down with it."""

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, local
from typing import Any, NamedTuple

from modules.extension_packages import PREFIX
from modules.extensions.threads import Threads
from modules.extensions.watch import LOOK_SECONDS, Watch

SENTENCE_CHARS = 400


class Step(NamedTuple):
    """One call. `run` gets the value so far and returns the next one; what it raises is a fault, and the value stays.

    `hook` names what is called, on the extension's card.
    """

    extension: str
    hook: str
    seconds: float
    run: Callable[[Any], Any]


class Chain(NamedTuple):
    """Steps, and the value that they are taken on one after another."""

    steps: Sequence[Step]
    value: Any


@dataclass(frozen=True)
class StepFault:
    """`left_behind` says that the call has not returned, and its thread was given up."""

    step: Step
    sentence: str
    error: BaseException | None = None
    left_behind: bool = False


class Unfit(Exception):
    """What an extension gave is of the wrong kind; the message continues "filter_reply ..."."""


Cancelled = Callable[[], bool]
Done = Callable[[Sequence[Any], Sequence[StepFault]], None]


def never() -> bool:
    return False


class Guard:
    """Any thread may call. `returned` is told when a call that was given up has come back after all."""

    def __init__(self, returned: Callable[[str], None] = lambda _extension: None) -> None:
        self.threads = Threads("extension")
        self.watch = Watch()
        self.returned = returned
        self._at_work = local()

    def run(self, chains: Sequence[Chain], cancelled: Cancelled = never) -> tuple[Sequence[Any], Sequence[StepFault]]:
        """(what comes of each chain's value, the faults of all steps).

        One hop to another thread for all of them. A step that takes longer than it may is given up there, and the rest
        is taken on a new thread. Once `cancelled`, a step that waits for the program is given up too, without a fault,
        and the rest is left out.
        """
        turn = Turn.of(chains)
        while not turn.has_ended:
            self.threads.run(lambda turn=turn: self._work(turn))
            turn = turn.wait(cancelled)
        return turn.values, turn.faults

    def take(self, chains: Sequence[Chain], cancelled: Cancelled, done: Done) -> None:
        """The same without a hop, for a thread of `threads`, which is what is given up with a step.

        `done` is told what comes of it, on that thread or another, and must not raise.
        """
        self._take(Turn.of(chains), cancelled, done)

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

    def close(self) -> None:
        self.threads.close()

    def _take(self, turn: "Turn", cancelled: Cancelled, done: Done) -> None:
        def look() -> None:
            rest = turn.rest(cancelled)
            if rest is not None:
                self.watch.leave(turn)
                self.threads.run(lambda: self._take(rest, cancelled, done))

        self.watch.enter(turn, look)
        if self._work(turn):
            self.watch.leave(turn)
            done(turn.values, turn.faults)

    def _work(self, turn: "Turn") -> bool:
        """Whether it came to the end of the steps, and was not given up."""
        self._at_work.turn = turn
        is_whole = turn.work()
        self._at_work.turn = None
        if turn.overran is not None:
            self.returned(turn.overran.extension)
        return is_whole


class Turn:
    """Steps from `place` on, taken by one thread while another watches the clock; each names the value it is for."""

    def __init__(
        self, steps: Sequence[tuple[int, Step]], values: Sequence[Any], place: int, faults: Sequence[StepFault]
    ) -> None:
        self.values = list(values)
        self.faults = list(faults)
        self.overran: Step | None = None
        self._steps = steps
        self._place = place
        self._started = time.monotonic()
        self._given_up = False
        self._paused_at = 0.0
        self._paused: Callable[[], None] | None = None
        self._lock = Lock()
        # Held until the end.
        self._working = Lock()
        self._working.acquire()

    @classmethod
    def of(cls, chains: Sequence[Chain]) -> "Turn":
        steps = [(number, step) for number, chain in enumerate(chains) for step in chain.steps]
        return cls(steps, [chain.value for chain in chains], 0, ())

    @property
    def has_ended(self) -> bool:
        return self._place == len(self._steps)

    def work(self) -> bool:
        """On the extension's thread; whether that came to the end, and was not given up.

        Whatever an extension raises, also what would end the program, goes no further than this.
        """
        while self._place < len(self._steps):
            number, step = self._steps[self._place]
            value, fault = self.values[number], None
            try:
                value = step.run(value)
            except BaseException as error:  # noqa: BLE001 - the boundary: SystemExit and KeyboardInterrupt stop here too
                fault = StepFault(step, sentence_of(error), error)
            with self._lock:
                if self._given_up:
                    return False
                self.values[number] = value
                if fault is not None:
                    self.faults.append(fault)
                self._place += 1
                self._started = time.monotonic()
        self._working.release()
        return True

    def wait(self, cancelled: Cancelled) -> "Turn":
        """Itself at its end, or its rest once a step is given up."""
        while not self._working.acquire(timeout=LOOK_SECONDS):
            if (rest := self.rest(cancelled)) is not None:
                return rest
        return self

    def rest(self, cancelled: Cancelled) -> "Turn | None":
        """What is to be taken instead, when the step at work has taken too long or nobody waits for it; else None."""
        with self._lock:
            if self.has_ended or self._given_up:
                return None
            give_up = self._paused
            if give_up is None:
                rest = self._rest_if_late()
            else:
                rest = Turn(self._steps, self.values, len(self._steps), self.faults) if cancelled() else None
            self._given_up = rest is not None
        if rest is not None and give_up is not None:
            give_up()
        return rest

    def pause(self, give_up: Callable[[], None]) -> None:
        """On the extension's thread: from here to `resume` the clock stands still."""
        with self._lock:
            self._paused = give_up
            self._paused_at = time.monotonic()
            too_late = self._given_up
        if too_late:
            give_up()

    def resume(self) -> None:
        with self._lock:
            self._paused = None
            self._started += time.monotonic() - self._paused_at

    def _rest_if_late(self) -> "Turn | None":
        _, step = self._steps[self._place]
        if time.monotonic() < self._started + step.seconds:
            return None
        self.overran = step
        return Turn(self._steps, self.values, self._place + 1, [*self.faults, overrun(step)])


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
