"""How much memory this process has taken, at most since it was asked last."""

from pathlib import Path

import psutil
import torch

STATUS = Path("/proc/self/status")
# Writing 5 here makes Linux count the peak anew (proc(5)).
RESET = Path("/proc/self/clear_refs")
PEAK = "VmHWM:"


def peak_bytes(device: torch.device) -> int:
    """Of main memory; of the GPU's where the model lies there. Elsewhere than on Linux it is what is taken now."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    try:
        line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(PEAK))
        RESET.write_text("5", encoding="ascii")
    except (OSError, StopIteration):
        return psutil.Process().memory_info().rss
    return int(line.split()[1]) * 1024
