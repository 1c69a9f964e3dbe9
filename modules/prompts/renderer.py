"""Renders chat templates in a child process that is killed when it takes too long."""

import json
import queue
import threading
from collections.abc import Sequence
from typing import Any

from modules.children import Child, Launcher
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.prompts.template import DEFAULT_TEMPLATE
from modules.types.messages import Message

START_SECONDS = 10.0


class TemplateRenderer:
    """One child, used by one caller at a time; started when first needed. Any thread may call."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def chat(self, messages: Sequence[Message], *, template: str, bos_token: str, eos_token: str) -> str:
        """The prompt for these messages, ending where the assistant's reply begins.

        Raises BadRequest when the template is broken, refuses the messages or does not end in time.
        """
        variables: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "add_generation_prompt": True,
            "bos_token": bos_token,
            "eos_token": eos_token,
            "tools": None,
        }
        answer = self._ask({"template": template or DEFAULT_TEMPLATE, "variables": variables})
        if "error" in answer:
            raise BadRequest(f"The model's chat template refused these messages: {answer['error']}", field="messages")
        return answer["prompt"]

    def warm_up(self) -> None:
        """Start the child before the first message needs it."""
        self.chat([Message("user", "")], template="", bos_token="", eos_token="")

    def close(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.end()
                self._child = None

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            patience = LIMITS.template_seconds
            if self._child is None:
                self._start()
                patience += START_SECONDS
            assert self._child is not None
            try:
                self._child.send(json.dumps(request).encode())
                answer = self._answers.get(timeout=patience)
            except BrokenPipeError:
                answer = {"ended": True}
            except queue.Empty:
                self._child.kill()
                answer = {"error": f"it did not end within {LIMITS.template_seconds:g} seconds"}
                self._child = None
            if "ended" in answer:
                self._child = None
                answer = {"error": "it needs too much memory"}
            return answer

    def _start(self) -> None:
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers = answers
        self._child = Child(
            self._launcher,
            "modules.prompts.template",
            on_line=lambda line: answers.put(json.loads(line)),
            on_end=lambda _status: answers.put({"ended": True}),
        )
