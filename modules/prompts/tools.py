"""What a model is told of tools, and of its calls, where its chat template says nothing of them."""

import json
import re
from collections.abc import Sequence
from typing import Any

from modules.types.messages import Message
from modules.types.tools import CALL_CLOSING, CALL_OPENING, ToolCall, ToolSpec

# Templates that tell of tools and of calls in the very form in which calls are read here.
NAME_KEY = re.compile(r'\{\\?"name\\?":')
EXPLANATION = f"""You can call these functions, one per line:
{{functions}}

To call one, write only this:
{CALL_OPENING}
{{{{"name": "the function's name", "arguments": {{{{}}}}}}}}
{CALL_CLOSING}
Its result follows between <tool_response> and </tool_response>. Then answer in your own words."""


def knows_tools(template: str) -> bool:
    return "tools" in template and CALL_OPENING in template and NAME_KEY.search(template) is not None


def tool_variable(tools: Sequence[ToolSpec]) -> list[dict[str, Any]] | None:
    """The tools as templates that know of them expect."""
    return [{"type": "function", "function": function_of(tool)} for tool in tools] or None


def message_variable(message: Message) -> dict[str, Any]:
    """A message as templates expect it."""
    variable: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        variable["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        variable["tool_call_id"] = message.tool_call_id
    return variable


def in_plain_messages(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    """The same conversation in messages of text alone, tools explained in the system's."""
    plain: list[Message] = []
    for message in messages:
        text, previous = text_of(message), plain[-1] if plain else None
        role = "user" if message.role == "tool" else message.role
        # Most templates want the person and the model to speak in turn.
        if message.role == "tool" and previous is not None and previous.role == "user":
            plain[-1] = Message("user", f"{previous.content}\n{text}")
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
        return f"<tool_response>\n{message.content}\n</tool_response>"
    calls = [
        f"{CALL_OPENING}\n{json.dumps({'name': one.name, 'arguments': arguments_of(one)}, ensure_ascii=False)}\n"
        f"{CALL_CLOSING}"
        for one in message.tool_calls
    ]
    return "\n".join([message.content, *calls] if message.content else calls)


def function_of(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def arguments_of(call: ToolCall) -> Any:
    """As templates expect them, an object; text of others than us may be none."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return call.arguments
