"""A call of a tool in an exported conversation: what it was given, and what came of it."""

import re

from modules.types.tools import CallRecord

NAME_CHARS = 80
OUTCOMES = {
    "waiting": "It waits for an answer.",
    "running": "It is running.",
    "declined": "It was declined.",
    "cancelled": "It was cancelled.",
    "interrupted": "It was interrupted: the program ended.",
}


def heading_of(call: CallRecord) -> str:
    """On one line, whatever a model has called it."""
    return f"Tool {' '.join(call.name.split())[:NAME_CHARS]}"


def markdown_of(call: CallRecord) -> str:
    """Arguments and what came of them stand as they are, whatever they hold."""
    introduction, text = outcome_of(call)
    outcome = f"{introduction}\n\n{fenced(text)}" if text else introduction
    return f"{fenced(call.arguments, 'json')}\n\n{outcome}"


def plain_text_of(call: CallRecord) -> str:
    return "\n".join(part for part in (call.arguments, *outcome_of(call)) if part)


def outcome_of(call: CallRecord) -> tuple[str, str]:
    """(what came of it, the text that the tool gave)."""
    match call.state:
        case "done":
            return "Result:", call.result
        case "failed":
            return "It failed:", call.error
        case _:
            return OUTCOMES[call.state], ""


def fenced(text: str, language: str = "") -> str:
    """A block of code; its fence is longer than any within."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
