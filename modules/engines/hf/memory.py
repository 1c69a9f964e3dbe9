"""Whether a model's weights fit, told from its headers before any of them is read."""

import psutil
import torch

from modules.engines.hf.footprint import BITSANDBYTES, Footprint
from modules.engines.hf.kind import HfOptions
from modules.errors import ModelError
from modules.types.local_model import LocalModel

MIB = 1024 * 1024


def check_memory(
    model: LocalModel, options: HfOptions, dtype: torch.dtype, *, on_gpu: bool, is_quantized: bool
) -> None:
    """Raises ModelError when the weights cannot fit, with what would help."""
    chosen = options.model_copy(update={"dtype": str(dtype).removeprefix("torch.")})
    needed = model.size_bytes if is_quantized else Footprint(model, chosen, on_gpu).least_bytes
    free = psutil.virtual_memory().available
    if on_gpu:
        free += sum(torch.cuda.mem_get_info(device)[0] for device in range(torch.cuda.device_count()))
    if needed <= free or options.cpu_memory_mib:
        return
    said = (
        f"There is not enough memory to load {model.title}: its weights take about {needed // MIB:,} MiB, "
        f"and {free // MIB:,} MiB are free."
    )
    helps = "; ".join(remedies(options, dtype, is_quantized=is_quantized))
    raise ModelError(f"{said} What helps: {helps}.", cause="out_of_memory")


def remedies(options: HfOptions, dtype: torch.dtype, *, is_quantized: bool) -> list[str]:
    found = ["close other programs or choose a smaller model"]
    if is_quantized or options.weights in {"nf4", "fp4"}:
        return found
    found.append("set the option weights to nf4, which takes about a quarter of bfloat16")
    if options.weights not in {*BITSANDBYTES, "int4"}:
        if dtype.itemsize > 2:
            found.append("set the option dtype to bfloat16, which takes half of float32")
        found.append("set the option cpu_memory_mib, so that the rest stays on disk, which is slow")
    return found
