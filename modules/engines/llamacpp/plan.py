"""Context length, slots, batch, cache and layers on the GPU for this model on this machine."""

from dataclasses import dataclass

from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.engines.llamacpp.memory import CACHE_STEP, MIB, Footprint, rounded
from modules.errors import ModelError
from modules.types.estimates import MemoryEstimate
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

DEFAULT_CONTEXT = 8192
MINIMUM_CONTEXT = 512
SLOTS = 4
# Half of what the prebuilt CPU library was measured to do per core on an AMD EPYC (about 45 GFLOP/s): deep in a
# long context attention costs as much as the weights do, and a batch must stay short there too.
FLOPS_PER_CORE = 22e9
BATCH_SECONDS = 0.4
GPU_BATCH = 2048
# For the driver, the screen and the buffers of a batch.
GPU_RESERVE = 768 * MIB


@dataclass(frozen=True)
class Plan:
    """`context_tokens` is for each slot; `note` says what was chosen and why, for the person."""

    context_tokens: int
    slots: int
    threads: int
    batch_tokens: int
    prompt_cache_mib: int
    gpu_layers: int
    memory: MemoryEstimate
    note: str


def make_plan(model: LocalModel, options: LlamaCppOptions, machine: Machine) -> Plan:
    """Fit the caches into half of what is free beside the weights; raise ModelError when even one small one does not.

    A batch takes at most BATCH_SECONDS, because a cancelled request is noticed between batches only.
    """
    shape = model.shape
    gpu_bytes = max(machine.gpu_free_bytes - GPU_RESERVE, 0) if options.gpu_layers else 0
    footprint = Footprint(model, options, on_gpu=gpu_bytes > 0)
    batch = options.batch_tokens or (GPU_BATCH if gpu_bytes else cpu_batch(shape.parameters, machine.cores))
    room = (machine.available_bytes + gpu_bytes - footprint.weights_bytes) // 2
    wanted = wanted_context(options.context_length, shape.context_length)
    context = longest_context(footprint, wanted, room, batch)
    if context < min(wanted, MINIMUM_CONTEXT):
        raise ModelError(
            f"Not enough memory: the weights take {footprint.weights_bytes // MIB:,} MiB and "
            f"{(machine.available_bytes + gpu_bytes) // MIB:,} MiB are free. Close other programs or choose a smaller "
            "model.",
            cause="out_of_memory",
        )
    one = max(footprint.cache_bytes(context, 1, batch), 1)
    slots = options.slots or max(1, min(SLOTS, room // 4 // one))
    batch = max(batch, slots)
    cache = options.prompt_cache_mib
    if cache < 0:
        cache = min(512, machine.available_bytes // MIB // 32)
    cache_bytes = footprint.cache_bytes(context, slots, batch)
    fitting = footprint.layers_that_fit(cache_bytes, gpu_bytes)
    gpu_layers = fitting if options.gpu_layers < 0 else min(options.gpu_layers, shape.layers + 1)
    threads = options.threads or machine.cores
    shortened = " (the model was made for no more)" if context == shape.context_length < options.context_length else ""
    if context < wanted:
        shortened = f" (memory allows no more than {context:,})"
    return Plan(
        context_tokens=context,
        slots=slots,
        threads=threads,
        batch_tokens=batch,
        prompt_cache_mib=cache,
        gpu_layers=gpu_layers,
        memory=MemoryEstimate(
            footprint.weights_bytes,
            cache_bytes,
            footprint.compute_bytes(context, slots, batch),
            gpu_bytes=(footprint.weights_bytes + cache_bytes) * gpu_layers // (shape.layers + 1) if gpu_bytes else 0,
            context_length=context,
            slots=slots,
            later_bytes=cache * MIB,
        ),
        note=f"context {context:,} tokens{shortened}, {slots} at once, {threads} threads",
    )


def longest_context(footprint: Footprint, wanted: int, room: int, batch_tokens: int) -> int:
    """The most tokens whose cache fits into `room` bytes; in steps of 256 unless it is short."""
    context = wanted
    while context > 0 and footprint.cache_bytes(context, 1, batch_tokens) > room:
        # Rounding up to a whole step may be what does not fit.
        share = max(room, 0) / footprint.cache_bytes(context, 1, batch_tokens)
        context = min(context - 1, int(context * share))
    return context - (context % CACHE_STEP if MINIMUM_CONTEXT < context < wanted else 0)


def wanted_context(asked: int, trained: int) -> int:
    """In whole steps, which the caches take anyway; llama.cpp goes no further than the model was made for."""
    wanted = asked or min(trained or DEFAULT_CONTEXT, 4 * DEFAULT_CONTEXT)
    if wanted > MINIMUM_CONTEXT:
        wanted = rounded(wanted)
    return min(wanted, trained) if trained else wanted


def cpu_batch(parameters: int, cores: int) -> int:
    """Prompt tokens that take about BATCH_SECONDS: 2 FLOP per parameter and token; 8..512 in steps of 8."""
    tokens = BATCH_SECONDS * FLOPS_PER_CORE * cores / (2 * max(parameters, 1))
    return max(8, min(512, int(tokens) // 8 * 8))
