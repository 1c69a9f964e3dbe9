"""A reply in rounds: the model writes and calls, the person approves, tools run, the model goes on with the results."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from modules.engines.generation import Generation
from modules.errors import BadRequest, NotFound, ParlorError
from modules.extensions.contracts import ToolContext
from modules.services.told_messages import round_messages
from modules.services.tool_results import ResultRoom
from modules.services.tool_run import RunEnd, ToolRun, checked_arguments
from modules.services.tools import OfferedTool, ToolService
from modules.types.generation import Failed, Finished, Note, Replaced, TextDelta
from modules.types.messages import Message
from modules.types.tools import CallChanged, CallRecord, CallState, Decision, ToolCall, ToolMode, ToolUse, new_call_id

PARAGRAPH = "\n\n"


@dataclass(frozen=True)
class RoundLimits:
    """How often a model may call, and how many seconds a tool may take: 0 is what it asks for itself."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Asked:
    """What one reply is made with. `ask` begins a round's generation."""

    conversation_id: str
    messages: tuple[Message, ...]
    tools: tuple[OfferedTool, ...]
    mode: ToolMode
    ask: Callable[[Sequence[Message], ToolUse], Generation]
    room: ResultRoom


class ToolReply:
    """`generation` is the whole reply, of all rounds; cancelling it ends whatever is at work. Any thread may call."""

    def __init__(self, tools: ToolService, asked: Asked, limits: RoundLimits) -> None:
        self.generation = Generation()
        self._tools = tools
        self._asked = asked
        self._limits = limits
        self._offered = {one.name: one for one in asked.tools}
        self._changed = threading.Condition()
        self._decisions: dict[str, Decision] = {}
        self._waiting: str = ""
        self._at_work: tuple[str, ToolRun] | None = None

    def start(self) -> None:
        """Raises as the first `ask` does."""
        first = self._ask(self._asked.messages, 1)
        threading.Thread(target=self._run, args=(first,), name="tool reply", daemon=True).start()

    def decide(self, call_id: str, decision: Decision) -> None:
        """What the person says of the call that waits. Raises NotFound when it does not wait any more."""
        with self._changed:
            if self._waiting != call_id:
                raise NotFound("This call does not wait for an answer any more.", field="call_id")
            self._decisions[call_id] = decision
            self._changed.notify_all()

    def cancel_call(self, call_id: str) -> None:
        """End this run of a tool; the reply goes on. Nothing happens when it has ended already."""
        with self._changed:
            at_work = self._at_work
        if at_work is not None and at_work[0] == call_id:
            at_work[1].cancel()

    def _run(self, generation: Generation) -> None:
        try:
            self.generation.put(self._end(generation))
        except Exception as error:  # noqa: BLE001 - the reader must get an end, whatever went wrong
            self.generation.put(Failed.of(error))

    def _end(self, generation: Generation) -> Finished | Failed:
        """Rounds until the model answers instead of calling."""
        messages = list(self._asked.messages)
        notes: list[Note] = []
        number = 1
        while True:
            before = len(self.generation.text)
            end, calls = self._follow(generation)
            if isinstance(end, Failed):
                return end
            notes += [note for note in end.notes if note not in notes]
            if not calls or self._is_last(number):
                return replace(end, notes=tuple(notes))
            text = self.generation.text[before:].strip()
            done = [self._do(call, number) for call in calls]
            if self.generation.cancelled:
                return Finished("cancelled", end.usage, context_length=end.context_length)
            messages += round_messages(text, done)
            number += 1
            generation = self._ask(messages, number)

    def _ask(self, messages: Sequence[Message], number: int) -> Generation:
        choice = "none" if self._is_last(number) else "required" if self._asked.mode == "first" else "auto"
        use = ToolUse(tuple(one.spec for one in self._asked.tools), choice, parallel=False)
        generation = self._asked.ask(messages, use)
        self.generation.on_cancel(generation.cancel)
        return generation

    def _is_last(self, number: int) -> bool:
        """Whether the model must answer in this round."""
        return number > (1 if self._asked.mode == "first" else self._limits.rounds)

    def _follow(self, generation: Generation) -> tuple[Finished | Failed, list[ToolCall]]:
        """Pass on what a round writes; (how it ended, what it called)."""
        before = self.generation.text
        needs_paragraph = bool(before)
        calls: list[ToolCall] = []
        for event in generation:
            match event:
                case Finished() | Failed():
                    return event, calls
                case ToolCall():
                    calls.append(event)
                case TextDelta() if needs_paragraph and event.text:
                    self.generation.put(TextDelta(PARAGRAPH + event.text, event.logprobs))
                    needs_paragraph = False
                case Replaced():
                    self.generation.put(Replaced(PARAGRAPH.join(part for part in (before, event.text) if part)))
                case _:
                    self.generation.put(event)
        raise AssertionError("a generation ends with Finished or Failed")

    def _do(self, call: ToolCall, number: int) -> CallRecord:
        """A call from its beginning to its end."""
        tool = self._offered.get(call.name)
        record = CallRecord(
            call.id or new_call_id(),
            call.name,
            call.arguments,
            tool.extension if tool is not None else "",
            number,
            len(self.generation.text),
        )
        if self.generation.cancelled:
            return self._tell(record, "cancelled")
        try:
            if tool is None:
                raise BadRequest(f"There is no tool called {call.name[:80]!r} in this conversation.", "name")
            arguments = checked_arguments(call.arguments, tool.spec)
        except ParlorError as error:
            return self._tell(record, "failed", error=str(error))
        if self._tools.must_ask(self._asked.conversation_id, tool):
            refused = self._refusal(record, tool)
            if refused is not None:
                return self._tell(record, refused)
        context = ToolContext(self._asked.conversation_id)
        seconds = self._limits.seconds or tool.tool.seconds
        run = ToolRun(
            lambda cancelled: self._tools.run(tool, arguments, replace(context, cancelled=cancelled), seconds)
        )
        return self._ended(self._tell(record, "running"), run)

    def _refusal(self, record: CallRecord, tool: OfferedTool) -> CallState | None:
        """Wait for the person; None when the call may run."""
        with self._changed:
            self._waiting = record.id
        self._tell(record, "waiting")
        self.generation.on_cancel(self._wake)
        with self._changed:
            self._changed.wait_for(lambda: record.id in self._decisions or self.generation.cancelled)
            self._waiting = ""
            decision = self._decisions.get(record.id)
        if decision is None:
            return "cancelled"
        if decision == "always":
            self._tools.allow_always(self._asked.conversation_id, tool)
        return "declined" if decision == "no" else None

    def _ended(self, record: CallRecord, run: ToolRun) -> CallRecord:
        with self._changed:
            self._at_work = (record.id, run)
        self.generation.on_cancel(run.cancel)
        end = run.end()
        with self._changed:
            self._at_work = None
        return self._tell(replace(record, seconds=round(end.seconds, 3)), *self._outcome(end))

    def _outcome(self, end: RunEnd) -> tuple[CallState, str, str]:
        if end.cancelled:
            return "cancelled", "", ""
        if end.error:
            return "failed", "", self._asked.room.cut(end.error)
        return "done", self._asked.room.cut(end.result), ""

    def _tell(self, record: CallRecord, state: CallState, result: str = "", error: str = "") -> CallRecord:
        changed = replace(record, state=state, result=result, error=error)
        self.generation.put(CallChanged(changed))
        return changed

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def calls_of(generation: Generation) -> tuple[CallRecord, ...]:
    """The calls of a reply so far, each as it is now."""
    calls: dict[str, CallRecord] = {}
    for event in generation.events:
        if isinstance(event, CallChanged):
            calls[event.call.id] = event.call
    return tuple(calls.values())
