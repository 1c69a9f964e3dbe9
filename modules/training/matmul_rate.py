"""How fast this machine multiplies matrices, which training mostly consists of."""

import time
from collections.abc import Callable

import torch

from modules.machine import usable_cores
from modules.types.machine import ComputeRates

# Rows of one pass, as in a training step of short samples.
ROWS = 512
SECONDS = 0.3
TYPES = (torch.bfloat16, torch.float32)


def measure_rates(inputs: int, outputs: int, threads: int) -> ComputeRates:
    """Through one linear layer of this size, for a training on so many threads; 0: on all cores.

    On a CPU one core is measured, by the time it works on it: what other programs take of it does not count.
    """
    if torch.cuda.is_available():
        bfloat16, float32 = (rate(inputs, outputs, dtype, "cuda", time.perf_counter) for dtype in TYPES)
        return ComputeRates(True, bfloat16, float32)
    cores = min(threads or usable_cores(), usable_cores())
    torch.set_num_threads(1)
    bfloat16, float32 = (rate(inputs, outputs, dtype, "cpu", time.thread_time) * cores for dtype in TYPES)
    return ComputeRates(False, bfloat16, float32)


def rate(inputs: int, outputs: int, dtype: torch.dtype, device: str, clock: Callable[[], float]) -> float:
    """The best of several passes."""
    rows = torch.ones(ROWS, inputs, dtype=dtype, device=device)
    weight = torch.ones(outputs, inputs, dtype=dtype, device=device)
    fastest, end = float("inf"), time.monotonic() + SECONDS
    while time.monotonic() < end:
        started = clock()
        # Reading a number waits for a GPU.
        torch.nn.functional.linear(rows, weight)[0, 0].item()
        fastest = min(fastest, clock() - started)
    return 2 * ROWS * inputs * outputs / fastest
