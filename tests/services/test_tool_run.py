"""A run of a tool that is cancelled."""

import threading
from collections.abc import Callable

from modules.services.tool_run import ToolRun

RUNS = 200


def test_what_a_tool_says_when_it_is_told_to_end_is_no_result() -> None:
    for _ in range(RUNS):
        begun = threading.Event()

        def wait(cancelled: Callable[[], bool], begun: threading.Event = begun) -> str:
            begun.set()
            while not cancelled():
                pass
            return "late"

        run = ToolRun(wait)
        canceller = threading.Thread(target=lambda begun=begun, run=run: (begun.wait(), run.cancel()))
        canceller.start()
        end = run.end()
        canceller.join()
        assert (end.cancelled, end.result) == (True, "")
