"""One run of a tool: what it is given, what of its answer is told, and an end at once when nobody waits any more."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from modules.errors import BadRequest, ParlorError
from modules.types.tools import ToolSpec


@dataclass(frozen=True)
class RunEnd:
    """Either a result, an error, or neither when it was cancelled. `seconds` is how long it ran."""

    result: str = ""
    error: str = ""
    cancelled: bool = False
    seconds: float = 0.0


class ToolRun:
    """Any thread may cancel. A tool that goes on after that is left behind on its thread."""

    def __init__(self, run: Callable[[Callable[[], bool]], str]) -> None:
        """`run` gets what tells it that nobody waits any more; it ends in time, or raises ParlorError."""
        self._run = run
        self._changed = threading.Condition()
        self._answer: RunEnd | None = None
        self._cancelled = False

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def end(self) -> RunEnd:
        """Runs it and waits."""
        started = time.monotonic()
        threading.Thread(target=self._work, name="tool", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or self._answer is not None)
            return replace(self._answer or RunEnd(cancelled=True), seconds=time.monotonic() - started)

    def _work(self) -> None:
        try:
            answer = RunEnd(result=self._run(lambda: self._cancelled))
        except ParlorError as error:
            answer = RunEnd(error=str(error))
        except Exception as error:  # noqa: BLE001 - whoever waits must get an end
            answer = RunEnd(error=f"Unexpected: {error!r}")
        with self._changed:
            # One that ends because it is told to has no result.
            if not self._cancelled:
                self._answer = answer
                self._changed.notify_all()


def checked_arguments(text: str, tool: ToolSpec) -> Mapping[str, Any]:
    """What a model wrote as arguments: models on servers are not held to a schema. Raises BadRequest."""
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The arguments are not valid JSON: {error}", "arguments") from error
    if not isinstance(arguments, dict):
        raise BadRequest("The arguments must be a JSON object.", "arguments")
    named = cast("dict[str, Any]", arguments)
    if missing := [name for name in tool.parameters.get("required", []) if name not in named]:
        raise BadRequest(f"The argument {missing[0]} is missing.", "arguments")
    known = tool.parameters.get("properties")
    if known and (unknown := [name for name in named if name not in known]):
        raise BadRequest(f"There is no argument called {unknown[0][:80]!r}.", "arguments")
    return named
