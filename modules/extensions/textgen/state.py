"""The `state` that scripts read and change: the knobs of one reply, and its conversation."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from modules.errors import BadRequest
from modules.extensions.textgen.support import refusal
from modules.types.messages import Message
from modules.types.reply_params import ReplyParams
from modules.types.sampling import SamplingParams

# Of our knobs those that mean the same there, under the same name.
SAME = (
    "temperature", "top_p", "min_p", "top_k", "typical_p", "tfs", "top_a", "xtc_threshold", "xtc_probability",
    "repetition_penalty", "presence_penalty", "frequency_penalty", "no_repeat_ngram_size", "dry_multiplier",
    "dry_base", "dry_allowed_length", "smoothing_factor", "smoothing_curve", "guidance_scale", "negative_prompt",
)  # fmt: skip
KNOBS = (*SAME, "seed", "ban_eos_token", "max_new_tokens", "custom_stopping_strings")
ALWAYS: Mapping[str, Any] = {
    "mode": "chat",
    "name1": "You",
    "name2": "AI",
    "character_menu": "None",
    "stream": True,
}
# What stands for the person's message before a greeting.
NO_MESSAGE = "<|BEGIN-VISIBLE-CHAT|>"
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class State(dict[str, Any]):
    """A key that is not there is named in the error."""

    def __missing__(self, key: str) -> Any:
        raise BadRequest(refusal(f'state["{key}"]'))


def state_of(params: ReplyParams, conversation_id: str | None) -> State:
    """Of a request without messages; `with_messages` adds those."""
    knobs = params.sampling
    return State(
        {name: getattr(knobs, name) for name in SAME},
        **ALWAYS,
        seed=-1 if knobs.seed is None else knobs.seed,
        ban_eos_token=knobs.ignore_eos,
        max_new_tokens=params.max_tokens or 0,
        custom_stopping_strings=", ".join(json.dumps(one, ensure_ascii=False) for one in params.stop),
        unique_id=conversation_id or "",
        context="",
        history={"internal": [], "visible": [], "metadata": {}},
    )


def knobs_in(state: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a script may change; one that it took away counts as unchanged."""
    return {name: state[name] for name in KNOBS if name in state}


def params_with(params: ReplyParams, changed: Mapping[str, Any]) -> ReplyParams:
    """Raises pydantic's ValidationError for what is out of range."""
    values = {name: value for name, value in changed.items() if name in SAME}
    if "seed" in changed:
        values["seed"] = None if changed["seed"] == -1 else changed["seed"]
    if "ban_eos_token" in changed:
        values["ignore_eos"] = changed["ban_eos_token"]
    sampling = SamplingParams.model_validate(params.sampling.model_dump() | values)
    new = replace(params, sampling=sampling)
    if "max_new_tokens" in changed:
        new = replace(new, max_tokens=changed["max_new_tokens"] or None)
    if "custom_stopping_strings" in changed:
        new = replace(new, stop=stops_in(changed["custom_stopping_strings"]))
    return new


def stops_in(text: str) -> tuple[str, ...]:
    """Of `"one", "two\\n"`."""
    return tuple(json.loads(quoted, strict=False) for quoted in QUOTED.findall(text))


def history_of(messages: Sequence[Message]) -> dict[str, Any]:
    """Pairs of what the person and the model said; a message without its other half stands alone in its pair."""
    pairs: list[list[str]] = []
    is_answered = True
    for message in messages:
        if message.role == "user":
            pairs.append([message.content, ""])
            is_answered = False
        elif message.role == "assistant":
            if is_answered:
                pairs.append([NO_MESSAGE, message.content])
            else:
                pairs[-1][1] = message.content
            is_answered = True
    return {"internal": pairs, "visible": [list(pair) for pair in pairs], "metadata": {}}


def messages_of(history: Any) -> list[Message]:
    """The same back again. Raises TypeError for what is no history."""
    messages: list[Message] = []
    pairs = cast("dict[str, Any]", history).get("internal") if isinstance(history, dict) else None
    if not isinstance(pairs, list):
        raise TypeError("a history must be a dictionary whose `internal` is a list of pairs")
    for pair in cast("list[Any]", pairs):
        person, model = pair
        if person and person != NO_MESSAGE:
            messages.append(Message("user", person))
        if model:
            messages.append(Message("assistant", model))
    return messages
