"""Renders chat templates in a child process that is killed when it takes too long."""

import json
from collections.abc import Sequence
from typing import Any

from modules.children import Launcher, TimedChild
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.prompts.template import DEFAULT_TEMPLATE
from modules.prompts.tools import in_plain_messages, knows_tools, message_variable, tool_variable
from modules.types.messages import Message
from modules.types.tools import ToolSpec


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
    ) -> str:
        """The prompt for these messages, ending where the assistant's reply begins.

        Tools and their calls are told as the template does, or in our own words where it knows of none.
        Raises BadRequest when the template is broken, refuses the messages or does not end in time.
        """
        is_known = knows_tools(template)
        shown = messages if is_known else in_plain_messages(messages, tools)
        variables: dict[str, Any] = {
            "messages": [message_variable(message) for message in shown],
            "add_generation_prompt": True,
            "bos_token": bos_token,
            "eos_token": eos_token,
            "tools": tool_variable(tools) if is_known else None,
        }
        answer = self._ask({"template": template or DEFAULT_TEMPLATE, "variables": variables})
        if "error" in answer:
            raise BadRequest(f"The model's chat template refused these messages: {answer['error']}", field="messages")
        return answer["prompt"]

    def warm_up(self) -> None:
        """Start the child before the first message needs it."""
        self.chat([Message("user", "")], template="", bos_token="", eos_token="")

    def close(self) -> None:
        self._child.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._child.ask(json.dumps(request))
        except TimeoutError:
            return {"error": f"it did not end within {LIMITS.template_seconds:g} seconds"}
        except BrokenPipeError:
            return {"error": "it needs too much memory"}
