"""The replies that call tools now, and what the person says to their calls."""

from collections.abc import Callable, Sequence

from modules.engines.generation import Generation
from modules.errors import NotFound
from modules.services.tool_reply import Asked, RoundLimits, ToolReply
from modules.services.tool_results import ResultRoom
from modules.services.tools import ToolService
from modules.types.messages import Message
from modules.types.tools import ChosenTools, Decision, ToolUse

Ask = Callable[[Sequence[Message], ToolUse | None], Generation]


class ToolReplies:
    """Any thread may call."""

    def __init__(self, tools: ToolService, limits: RoundLimits) -> None:
        self._tools = tools
        self._limits = limits
        self._running: dict[str, ToolReply] = {}

    def begin(self, conversation_id: str, messages: Sequence[Message], ask: Ask, room: ResultRoom) -> Generation:
        """A reply in this conversation, in rounds where it has tools. Raises as `ask` does."""
        tools = self._tools.on_in(conversation_id)
        if not tools:
            return ask(messages, None)
        mode = self._tools.chosen(conversation_id).mode
        asked = Asked(conversation_id, tuple(messages), tools, mode, ask, room)
        reply = ToolReply(self._tools, asked, self._limits)
        self._running[reply.generation.id] = reply
        reply.generation.on_end(lambda: self._forget(reply.generation.id))
        try:
            reply.start()
        except BaseException:
            self._forget(reply.generation.id)
            raise
        return reply.generation

    def choose(self, conversation_id: str, tools: ChosenTools) -> None:
        self._tools.choose(conversation_id, tools)

    def decide(self, generation_id: str, call_id: str, decision: Decision) -> None:
        """Raises NotFound when the call does not wait any more."""
        self._reply(generation_id).decide(call_id, decision)

    def cancel_call(self, generation_id: str, call_id: str) -> None:
        """End one run of a tool; the reply goes on without its result. Raises NotFound when the reply has ended."""
        self._reply(generation_id).cancel_call(call_id)

    def _reply(self, generation_id: str) -> ToolReply:
        reply = self._running.get(generation_id)
        if reply is None:
            raise NotFound("This reply has ended.", field="generation_id")
        return reply

    def _forget(self, generation_id: str) -> None:
        self._running.pop(generation_id, None)
