"""Every call of an extension's code goes through here: bounded in time, and unable to take anything down with it."""

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, get_ident, local
from typing import Any, NamedTuple

from modules.extension_packages import PREFIX
from modules.extensions.threads import Threads, end_own_code
from modules.extensions.watch import LOOK_SECONDS, Watch

SENTENCE_CHARS = 400


def unchanged(value: Any) -> Any:
    return value


class Step(NamedTuple):
    """One call. `run` gets the value so far and returns the next one; what it raises is a fault.

    `hook` names what is called, on the extension's card. `given_up` makes the next value when `run` does not;
    `may_wait` says that time in which the program works for it does not count.
    """

    extension: str
    hook: str
    seconds: float
    run: Callable[[Any], Any]
    given_up: Callable[[Any], Any] = unchanged
    may_wait: bool = True


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
        is taken on a new thread. Once `cancelled`, a step that waits for the program is given up too, without a fault.
        """
        turn = Turn.of(chains)
        while not turn.has_ended:
            self.threads.run(lambda turn=turn: self._work(turn))
            turn = turn.wait(cancelled)
        return turn.values, turn.faults

    def take(self, turn: "Turn", cancelled: Cancelled, go_on: Callable[["Turn"], None]) -> bool:
        """The same without a hop, on a thread of `threads`; whether that was not left behind.

        Where it was, another one has been told to `go_on` with the rest.
        """

        def look() -> None:
            rest = turn.rest(cancelled)
            if rest is not None:
                self.watch.leave(turn)
                self.threads.run(lambda: go_on(rest))

        self.watch.enter(turn, look)
        is_whole = self._work(turn)
        if is_whole:
            self.watch.leave(turn)
        return is_whole

    @contextmanager
    def program_at_work(self, give_up: Callable[[], None]) -> Generator[None]:
        """Within it an extension waits for something that the program does for it, which is not counted where it may.

        `give_up` is called when nobody waits for the extension any more.
        """
        turn: Turn | None = self._at_work.__dict__.get("turn")
        if turn is None or not turn.may_wait:
            yield
            return
        turn.pause(give_up)
        try:
            yield
        finally:
            turn.resume()

    def close(self) -> None:
        self.threads.close()

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
        self._thread = 0
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
        self._thread = get_ident()
        while self._place < len(self._steps):
            number, step = self._steps[self._place]
            fault = None
            value = self.values[number]
            try:
                value = step.run(value)
            except BaseException as error:  # noqa: BLE001 - the boundary: SystemExit and KeyboardInterrupt stop here too
                fault = StepFault(step, sentence_of(error), error)
            with self._lock:
                if self._given_up:
                    return False
                if fault is not None:
                    self.faults.append(fault)
                    value = step.given_up(value)
                self.values[number] = value
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
            if self.has_ended or not (cancelled() if self._paused is not None else self._is_late()):
                return None
            self._given_up = True
            give_up = self._paused
            rest = self._after_giving_up()
        if give_up is not None:
            give_up()
        return rest

    @property
    def may_wait(self) -> bool:
        """Asked by the step at work."""
        return self._step.may_wait

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

    @property
    def _step(self) -> Step:
        """The one at work."""
        return self._steps[self._place][1]

    def _is_late(self) -> bool:
        return time.monotonic() >= self._started + self._step.seconds

    def _after_giving_up(self) -> "Turn":
        number, step = self._steps[self._place]
        rest = Turn(self._steps, self.values, self._place + 1, self.faults)
        rest.values[number] = step.given_up(self.values[number])
        if self._paused is None:
            self.overran = step
            rest.faults.append(overrun(step))
            end_own_code(self._thread)
        return rest


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
