"""How fast this machine multiplies matrices, which training mostly consists of."""

import time

import torch

from modules.types.machine import ComputeRates

# Rows of one pass, as in a training step of short samples.
ROWS = 512
SECONDS = 0.3


def measure_rates(inputs: int, outputs: int, threads: int) -> ComputeRates:
    """Through one linear layer of this size; 0 threads: all cores."""
    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bfloat16, float32 = (rate(inputs, outputs, dtype, device) for dtype in (torch.bfloat16, torch.float32))
    return ComputeRates(device == "cuda", bfloat16, float32)


def rate(inputs: int, outputs: int, dtype: torch.dtype, device: str) -> float:
    """The best of several passes, as other programs can only slow one down."""
    rows = torch.ones(ROWS, inputs, dtype=dtype, device=device)
    weight = torch.ones(outputs, inputs, dtype=dtype, device=device)
    fastest, end = float("inf"), time.monotonic() + SECONDS
    while time.monotonic() < end:
        started = time.perf_counter()
        # Reading a number waits for a GPU.
        torch.nn.functional.linear(rows, weight)[0, 0].item()
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * ROWS * inputs * outputs / fastest
