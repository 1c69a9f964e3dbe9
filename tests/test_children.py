"""Child processes as their parent sees them."""

import queue
import signal

from modules.children import Child, Launcher


def test_half_a_line_of_a_child_that_was_killed_is_not_told(launcher: Launcher) -> None:
    told: queue.Queue[bytes | int] = queue.Queue()
    Child(launcher, "tests.cut_off_child", on_line=told.put, on_end=told.put)
    assert told.get(timeout=60) == b'{"whole": true}\n'
    assert told.get(timeout=60) == -signal.SIGKILL
