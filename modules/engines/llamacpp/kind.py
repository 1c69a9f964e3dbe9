"""The llama.cpp engine's declaration; the binding itself is imported only in the worker."""

from typing import TYPE_CHECKING

from pydantic import Field

from modules.engines.protocol import EngineKind, EngineOptions, Report
from modules.limits import LIMITS
from modules.types.estimates import MemoryEstimate
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

if TYPE_CHECKING:
    from modules.engines.llamacpp.engine import LlamaCppEngine


class LlamaCppOptions(EngineOptions):
    """The caches of all slots must fit into memory beside the weights."""

    context_length: int = Field(default=0, ge=0, le=LIMITS.context_tokens, description="Tokens one request may hold.")
    slots: int = Field(default=0, ge=0, le=64, description="Requests answered at once.")
    gpu_layers: int = Field(default=-1, ge=-1, le=10_000, description="Layers kept on the GPU; -1 is as many as fit.")
    threads: int = Field(default=0, ge=0, le=1024, description="Threads for computing.")
    batch_tokens: int = Field(default=0, ge=0, le=8192, description="Prompt tokens computed at once.")
    prompt_cache_mib: int = Field(
        default=-1, ge=-1, le=1_048_576, description="Memory for prompts of past conversations."
    )


def load(model: LocalModel, options: LlamaCppOptions, report: Report) -> "LlamaCppEngine":
    from modules.engines.llamacpp.engine import LlamaCppEngine

    return LlamaCppEngine(model, options, report)


def estimate(model: LocalModel, options: LlamaCppOptions, machine: Machine) -> MemoryEstimate:
    """Raises ModelError when not even the smallest context fits."""
    from modules.engines.llamacpp.plan import make_plan

    plan = make_plan(
        model, options, available_bytes=machine.available_bytes, cores=machine.cores, on_gpu=bool(machine.gpus)
    )
    cache = plan.context_tokens * plan.slots * model.shape.kv_bytes_per_token()
    return MemoryEstimate(model.size_bytes, cache, context_length=plan.context_tokens, slots=plan.slots)


LLAMACPP = EngineKind("llamacpp", ("gguf",), LlamaCppOptions, load, estimate)
