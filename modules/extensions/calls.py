"""Calls of extensions' code whose faults are kept: what the guard does, with the book of what went wrong."""

from collections.abc import Callable, Sequence
from typing import Any

from modules.errors import BadRequest, Cancelled, ExtensionFault, ParlorError
from modules.extensions.checks import kind_of
from modules.extensions.faults import FaultBook
from modules.extensions.guard import Chain, Guard, Step, StepFault, Turn, Unfit, never

UNANSWERED = object()


class GuardedCalls:
    """Any thread may call."""

    def __init__(self, guard: Guard, book: FaultBook) -> None:
        self.guard = guard
        self.book = book

    def run(self, steps: Sequence[Step], value: Any, cancelled: Callable[[], bool] = never) -> Any:
        """What comes of `value`; see Guard.run."""
        return self.run_all([Chain(steps, value)], cancelled)[0]

    def run_all(self, chains: Sequence[Chain], cancelled: Callable[[], bool]) -> Sequence[Any]:
        """What comes of each chain's value."""
        values, faults = self.guard.run(chains, cancelled)
        self._keep(faults)
        return values

    def take(self, chain: Chain, cancelled: Callable[[], bool], done: Callable[[Any], None]) -> None:
        """The same of one chain, on this thread, which is one of the guard's and may be left behind with a step.

        `done` is told what comes of the value, on this thread or another, and must not raise.
        """

        def go_on(turn: Turn) -> None:
            if self.guard.take(turn, cancelled, go_on):
                self._keep(turn.faults)
                done(turn.values[0])

        go_on(Turn.of([chain]))

    def begin(self, steps: Sequence[Step], done: Callable[[], None]) -> None:
        """Take the steps without waiting for them; `done` is called at their end, on any thread."""
        self.guard.threads.run(lambda: self.take(Chain(steps, None), never, lambda _value: done()))

    def call(
        self,
        extension: str,
        what: str,
        function: Callable[..., Any],
        *args: Any,
        seconds: float,
        returns: type,
        cancelled: Callable[[], bool] = never,
    ) -> Any:
        """What `function`, which an extension gave, returns. Raises ExtensionFault with a sentence.

        A ValueError or an error of the program's own is the function's answer; everything else counts as a fault.
        Raises Cancelled once it waits for the program and is `cancelled`.
        """
        if self.book.is_off(extension, what):
            raise ExtensionFault(
                f"{extension}: {what} has failed too often and is off until the extension is enabled again."
            )

        def run(_value: Any) -> Any:
            returned = function(*args)
            if not isinstance(returned, returns):
                raise Unfit(f"returned {kind_of(returned)} instead of {returns.__name__}.")
            return returned

        (value,), faults = self.guard.run([Chain([Step(extension, what, seconds, run)], UNANSWERED)], cancelled)
        for fault in faults:
            if isinstance(fault.error, ValueError | ParlorError):
                raise ExtensionFault(str(fault.error)) from fault.error
            self.book.add(fault)
            raise ExtensionFault(f"{extension}: {what} {fault.sentence}") from fault.error
        if value is UNANSWERED:
            raise Cancelled(f"{extension}: {what} was stopped.")
        return value

    def must(self, extension: str, what: str, make: Callable[[], Any], seconds: float) -> Any:
        """What an extension cannot be enabled without. Raises BadRequest."""

        def run(_value: Any) -> Any:
            return make()

        (value,), faults = self.guard.run([Chain([Step(extension, what, seconds, run)], None)])
        for fault in faults:
            self.book.add(fault)
            reason = str(fault.error) if isinstance(fault.error, ParlorError) else f"{what} {fault.sentence}"
            raise BadRequest(f"{extension} cannot be enabled: {reason}", field="name") from fault.error
        return value

    def _keep(self, faults: Sequence[StepFault]) -> None:
        for fault in faults:
            self.book.add(fault)
