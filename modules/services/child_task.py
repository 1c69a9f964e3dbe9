"""One long task in a child process of its own: told what to do, asked how far it is, ended when nobody wants it."""

import json
import queue
from collections.abc import Callable
from typing import Any

from modules.children import Child, Launcher
from modules.errors import ModelError

Report = Callable[[float | None, str], None]
POLL_SECONDS = 0.2


def run_task(
    launcher: Launcher,
    program: str,
    order: dict[str, Any],
    *,
    subject: str,
    report: Report,
    cancelled: Callable[[], bool],
) -> None:
    """Until the program answers {"done"}; it answers {"fraction", "note"} before, or {"error"} instead.

    `subject` begins the sentences: "The conversion". Raises ModelError when it fails or is cancelled. Its memory is
    free when this returns.
    """
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    child = Child(
        launcher,
        program,
        on_line=lambda line: answers.put(json.loads(line)),
        on_end=lambda status: answers.put({"error": f"its process ended unexpectedly (status {status})"}),
    )
    try:
        child.send(json.dumps(order).encode())
        while True:
            if cancelled():
                raise ModelError(f"{subject} was cancelled.", cause="cancelled")
            try:
                answer = answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if "error" in answer:
                raise ModelError(f"{subject} failed: {answer['error']}", child.last_words)
            if "done" in answer:
                return
            report(answer["fraction"], answer["note"])
    finally:
        # One that is in the midst of it does not read its input, and nothing it has written is wanted then.
        child.end(1.0)
