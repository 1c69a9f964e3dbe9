"""The program `modules.machine_probe PARENT_PID`: it measures how fast all cores together read main memory."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

from modules.children import ParentPipe
from modules.machine import usable_cores

# More than any cache holds, and little enough to be free on any machine that runs a model.
BYTES_PER_CORE = 96 * 1024 * 1024
SECONDS = 2.0


def main() -> None:
    """Answers one line, bytes a second: the best of several passes, as other programs can only slow one down."""
    pipe = ParentPipe()
    pipe.send(json.dumps({"bandwidth": measure(usable_cores(), SECONDS)}).encode())


def measure(cores: int, seconds: float) -> float:
    import numpy

    # NumPy lets go of the interpreter while it adds up.
    blocks = [numpy.ones(BYTES_PER_CORE // 8) for _ in range(cores)]
    best, end = 0.0, time.monotonic() + seconds
    with ThreadPoolExecutor(cores) as pool:
        while time.monotonic() < end:
            started = time.perf_counter()
            list(pool.map(lambda block: float(block.max()), blocks))
            best = max(best, cores * BYTES_PER_CORE / (time.perf_counter() - started))
    return best


if __name__ == "__main__":
    main()
