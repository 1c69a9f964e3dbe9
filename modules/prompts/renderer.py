"""Renders chat templates in a child process that is killed when it takes too long."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from modules.children import Launcher, TimedChild
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.prompts.control_marks import with_marks_as_text
from modules.prompts.template import DEFAULT_TEMPLATE
from modules.prompts.tools import in_plain_messages, message_variables, tool_variable
from modules.types.call_formats import HERMES, CallFormat, format_of_template
from modules.types.messages import Message
from modules.types.tools import ToolSpec


class ChatText(NamedTuple):
    """A prompt, and how the model is to write calls after it."""

    text: str
    call_format: CallFormat


class TemplateRenderer:
    """One child, used by one caller at a time; started when first needed. Any thread may call."""

    def __init__(self, launcher: Launcher) -> None:
        self._child = TimedChild(launcher, "modules.prompts.template", LIMITS.template_seconds)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        template: str,
        bos_token: str,
        eos_token: str,
        tools: Sequence[ToolSpec] = (),
    ) -> ChatText:
        """The prompt for these messages, ending where the assistant's reply begins.

        Tools and their calls are told as the template does; in our own words where it knows of none, or refuses these.
        No message but the model's own can open or end a turn.
        Raises BadRequest when the template is broken, refuses the messages or does not end in time.
        """
        messages = with_marks_as_text(messages, template, bos_token, eos_token)
        form = format_of_template(template)
        variables: dict[str, Any] = {"add_generation_prompt": True, "bos_token": bos_token, "eos_token": eos_token}
        if form is not None:
            native = {"messages": message_variables(messages, form), "tools": tool_variable(tools)}
            answer = self._ask(template, {**variables, **native})
            if "error" not in answer:
                return ChatText(answer["prompt"], form)
        plain = message_variables(in_plain_messages(messages, tools), HERMES)
        answer = self._ask(template, {**variables, "messages": plain, "tools": None})
        if "error" in answer:
            raise BadRequest(f"The model's chat template refused these messages: {answer['error']}", field="messages")
        return ChatText(answer["prompt"], HERMES)

    def warm_up(self) -> None:
        """Start the child before the first message needs it."""
        self.chat([Message("user", "")], template="", bos_token="", eos_token="")

    def close(self) -> None:
        self._child.close()

    def _ask(self, template: str, variables: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._child.ask(json.dumps({"template": template or DEFAULT_TEMPLATE, "variables": variables}))
        except TimeoutError:
            return {"error": f"it did not end within {LIMITS.template_seconds:g} seconds"}
        except BrokenPipeError:
            return {"error": "it needs too much memory"}
