"""Context length, slots, batch and cache for this model on this machine."""

from dataclasses import dataclass

from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.errors import ModelError
from modules.types.local_model import LocalModel

MIB = 1024 * 1024
DEFAULT_CONTEXT = 8192
MINIMUM_CONTEXT = 512
SLOTS = 4
# Half of what the prebuilt CPU library was measured to do per core on an AMD EPYC (about 45 GFLOP/s): deep in a
# long context attention costs as much as the weights do, and a batch must stay short there too.
FLOPS_PER_CORE = 22e9
BATCH_SECONDS = 0.4
GPU_BATCH = 2048


@dataclass(frozen=True)
class Plan:
    """`context_tokens` is for each slot; `note` says what was chosen and why, for the person."""

    context_tokens: int
    slots: int
    threads: int
    batch_tokens: int
    prompt_cache_mib: int
    note: str


def make_plan(model: LocalModel, options: LlamaCppOptions, *, available_bytes: int, cores: int, on_gpu: bool) -> Plan:
    """Fit the caches into half of what is free beside the weights; raise ModelError when even one small one does not.

    A batch takes at most BATCH_SECONDS, because a cancelled request is noticed between batches only.
    """
    shape = model.shape
    token_bytes = max(shape.kv_bytes_per_token(), 1)
    room = (available_bytes - model.size_bytes) // 2
    wanted = options.context_length or min(shape.context_length or DEFAULT_CONTEXT, 4 * DEFAULT_CONTEXT)
    context = min(wanted, max(room // token_bytes, 0))
    context -= context % 256 if context > MINIMUM_CONTEXT else 0
    if context < min(wanted, MINIMUM_CONTEXT):
        raise ModelError(
            f"Not enough memory: the weights take {model.size_bytes // MIB:,} MiB and "
            f"{available_bytes // MIB:,} MiB are free. Close other programs or choose a smaller model.",
            cause="out_of_memory",
        )
    slots = options.slots or max(1, min(SLOTS, room // 4 // (context * token_bytes)))
    batch = options.batch_tokens or (GPU_BATCH if on_gpu else cpu_batch(shape.parameters, cores))
    cache = options.prompt_cache_mib if options.prompt_cache_mib >= 0 else min(512, available_bytes // MIB // 32)
    shortened = f" (memory allows no more than {context:,})" if context < wanted else ""
    return Plan(
        context_tokens=context,
        slots=slots,
        threads=options.threads or cores,
        batch_tokens=max(batch, slots),
        prompt_cache_mib=cache,
        note=f"context {context:,} tokens{shortened}, {slots} at once, {cores} threads",
    )


def cpu_batch(parameters: int, cores: int) -> int:
    """Prompt tokens that take about BATCH_SECONDS: 2 FLOP per parameter and token; 8..512 in steps of 8."""
    tokens = BATCH_SECONDS * FLOPS_PER_CORE * cores / (2 * max(parameters, 1))
    return max(8, min(512, int(tokens) // 8 * 8))
