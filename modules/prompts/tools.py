"""Tools and their calls as chat templates take them, or in words of ours where a template knows of neither."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from modules.types.call_formats import ARGUMENTS, HERMES, NAME, CallFormat
from modules.types.messages import Message
from modules.types.tools import ToolCall, ToolSpec

EXPLANATION = """You can call these functions, one per line:
{functions}

To call one, write only this:
<tool_call>
{{"name": "the function's name", "arguments": {{}}}}
</tool_call>
Its result follows. Then answer in your own words."""
# What stood around a result, tags or quotes, is what small models would write too, instead of an answer.
RESULT = "The result is:\n{result}"
ASKED_AGAIN = "\n\nAnswer my question in your own words."


def tool_variable(tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
    """The tools as templates that know of them expect."""
    return [{"type": "function", "function": function_of(tool)} for tool in tools] or None


def message_variables(messages: Sequence[Message], form: CallFormat) -> list[dict[str, Any]]:
    """Messages as templates expect them; a tool's says too which tool it was."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [message_variable(message, names.get(message.tool_call_id, ""), form) for message in messages]


def message_variable(message: Message, tool: str, form: CallFormat) -> dict[str, Any]:
    variable: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        variable["tool_calls"] = [
            {
                "id": told_id(call.id, form),
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        variable["tool_call_id"] = told_id(message.tool_call_id, form)
    if tool:
        variable["name"] = tool
    return variable


def told_id(call_id: str, form: CallFormat) -> str:
    """The same id as it is, or one of the length that the family's templates insist on."""
    if form.id_chars is None or re.fullmatch(rf"[A-Za-z0-9]{{{form.id_chars}}}", call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[: form.id_chars]


def in_plain_messages(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    """The same conversation in messages of text alone, tools explained in the system's."""
    plain: list[Message] = []
    for message in messages:
        text, previous = text_of(message), plain[-1] if plain else None
        role = "user" if message.role == "tool" else message.role
        # Most templates want the person and the model to speak in turn.
        if message.role == "tool" and previous is not None and previous.role == "user":
            plain[-1] = Message("user", f"{previous.content.removesuffix(ASKED_AGAIN)}\n{text}")
        else:
            plain.append(Message(role, text))
    return explained(plain, tools) if tools else plain


def explained(messages: list[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    functions = "\n".join(json.dumps(function_of(tool), ensure_ascii=False) for tool in tools)
    text = EXPLANATION.format(functions=functions)
    if messages and messages[0].role == "system":
        return [Message("system", f"{messages[0].content}\n\n{text}"), *messages[1:]]
    return [Message("system", text), *messages]


def text_of(message: Message) -> str:
    if message.role == "tool":
        return RESULT.format(result=message.content) + ASKED_AGAIN
    calls = [written(call) for call in message.tool_calls]
    return "\n".join([message.content, *calls] if message.content else calls)


def written(call: ToolCall) -> str:
    name, arguments = (json.dumps(one, ensure_ascii=False) for one in (call.name, arguments_of(call)))
    texts = {NAME: name, ARGUMENTS: arguments}
    return HERMES.opening + re.sub(f"{NAME}|{ARGUMENTS}", lambda place: texts[place[0]], HERMES.call)


def function_of(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def arguments_of(call: ToolCall) -> Any:
    """As templates expect them, an object; text of others than us may be none."""
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments
