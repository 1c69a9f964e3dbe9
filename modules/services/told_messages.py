"""A conversation as a model is told it: replies with calls of tools become the messages of their rounds."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from modules.types.conversation import StoredMessage
from modules.types.messages import Message
from modules.types.tools import CallRecord, ToolCall

NO_RESULT = {
    "declined": "The person declined this call. Answer without it.",
    "cancelled": "The person cancelled this call.",
    "interrupted": "The program ended before there was a result.",
}


def told_messages(path: Sequence[StoredMessage]) -> list[Message]:
    return [message for stored in path for message in messages_of(stored)]


def messages_of(stored: StoredMessage) -> Iterator[Message]:
    """None of an empty one."""
    place = 0
    for _, group in groupby(stored.calls, key=lambda call: call.round):
        calls = list(group)
        yield from round_messages(stored.content[place : calls[0].place].strip(), calls)
        place = calls[0].place
    rest = stored.content[place:] if not stored.calls else stored.content[place:].strip()
    if rest:
        yield Message(stored.role, rest)


def round_messages(text: str, calls: Sequence[CallRecord]) -> list[Message]:
    """What a model said and called at once, and the results."""
    called = tuple(ToolCall(call.name, call.arguments, call.id) for call in calls)
    return [
        Message("assistant", text, called),
        *(Message("tool", result_text(call), tool_call_id=call.id) for call in calls),
    ]


def result_text(call: CallRecord) -> str:
    """What the model is told of a call that has ended."""
    if call.state == "done":
        return call.result
    return NO_RESULT.get(call.state, f"Error: {call.error}")
