"""Our events in OpenAI's shapes."""

from typing import Any

from modules.types.generation import Finished, TokenChoice, TokenLogprob, Usage
from modules.types.tools import ToolCall

Shape = dict[str, Any]


def usage_shape(usage: Usage) -> Shape:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def finish_reason(end: Finished) -> str:
    return "stop" if end.reason == "cancelled" else end.reason


def notes_shape(end: Finished) -> Shape:
    """Beside what OpenAI has, and only where something is to be said of a reply: what was left out of it and why."""
    return {"notes": [note.text for note in end.notes]} if end.notes else {}


def tool_call_shape(call: ToolCall) -> Shape:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def chat_logprobs_shape(logprobs: tuple[TokenLogprob, ...], alternatives: int) -> Shape | None:
    if not logprobs:
        return None
    return {
        "content": [
            {
                **choice_shape(entry.chosen),
                "top_logprobs": [choice_shape(other) for other in entry.alternatives[:alternatives]],
            }
            for entry in logprobs
        ],
        "refusal": None,
    }


def choice_shape(choice: TokenChoice) -> Shape:
    return {"token": choice.token, "logprob": choice.logprob, "bytes": list(choice.token_bytes)}


def completion_logprobs_shape(logprobs: tuple[TokenLogprob, ...], alternatives: int, offset: int) -> Shape | None:
    """The older shape; `offset` is where the first of these tokens begins in the text, in characters."""
    if not logprobs:
        return None
    offsets: list[int] = []
    for entry in logprobs:
        offsets.append(offset)
        offset += len(entry.chosen.token)
    return {
        "tokens": [entry.chosen.token for entry in logprobs],
        "token_logprobs": [entry.chosen.logprob for entry in logprobs],
        "top_logprobs": [
            # As in OpenAI's own answers, there are none for a prompt's first token.
            {other.token: other.logprob for other in entry.alternatives[:alternatives]}
            if entry.chosen.logprob is not None
            else None
            for entry in logprobs
        ],
        "text_offset": offsets,
    }
