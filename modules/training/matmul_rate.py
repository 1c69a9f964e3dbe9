"""How fast this machine multiplies matrices, which training mostly consists of."""

import time

import torch

# Rows of one pass, as in a training step of short samples.
ROWS = 512
SECONDS = 0.3


def measure_rates(inputs: int, outputs: int, threads: int) -> dict[str, float]:
    """Floating point operations a second by type, through one linear layer of this size; 0 threads: all cores.

    The best of several, as other programs can only slow one down.
    """
    if threads:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rates: dict[str, float] = {}
    for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        rows, weight = (
            torch.ones(ROWS, inputs, dtype=dtype, device=device),
            torch.ones(outputs, inputs, dtype=dtype, device=device),
        )
        fastest, end = float("inf"), time.monotonic() + SECONDS
        while time.monotonic() < end:
            started = time.perf_counter()
            torch.nn.functional.linear(rows, weight).sum().item()
            fastest = min(fastest, time.perf_counter() - started)
        rates[name] = 2 * ROWS * inputs * outputs / fastest
    return rates
