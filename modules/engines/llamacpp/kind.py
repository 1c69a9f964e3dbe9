"""The llama.cpp engine's declaration; the binding itself is imported only in the worker."""

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from modules.engines.protocol import ADVANCED, EngineKind, EngineOptions, Report
from modules.limits import LIMITS
from modules.types.estimates import MemoryEstimate, TokenCost
from modules.types.local_model import LocalModel
from modules.types.machine import Machine
from modules.types.sampling import SamplerName

if TYPE_CHECKING:
    from modules.engines.llamacpp.engine import LlamaCppEngine

# Those it knows, in its own order.
SAMPLERS: tuple[SamplerName, ...] = (
    "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature",
)  # fmt: skip
# llama.cpp takes these from a request without a word and does nothing with them.
IGNORED_KNOBS = frozenset({
    "smoothing_factor", "smoothing_curve", "tfs", "top_a", "epsilon_cutoff", "eta_cutoff", "no_repeat_ngram_size",
    "encoder_repetition_penalty", "guidance_scale", "negative_prompt", "banned_phrases", "skip_special_tokens",
    "prompt_lookup_tokens",
})  # fmt: skip
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
FlashAttention = Literal["auto", "on", "off"]


class LlamaCppOptions(EngineOptions):
    """The caches of all slots must fit into memory beside the weights."""

    context_length: int = Field(default=0, ge=0, le=LIMITS.context_tokens, description="Tokens one request may hold.")
    slots: int = Field(default=0, ge=0, le=64, description="Requests answered at once.")
    gpu_layers: int = Field(default=-1, ge=-1, le=10_000, description="Layers kept on the GPU; -1 is as many as fit.")
    threads: int = Field(default=0, ge=0, le=1024, description="Threads for computing.", json_schema_extra=ADVANCED)
    batch_tokens: int = Field(
        default=0, ge=0, le=8192, description="Prompt tokens computed at once.", json_schema_extra=ADVANCED
    )
    cache_type: CacheType = Field(
        default="f16",
        description="Number format of keys and values: q8_0 takes half of f16's memory, q4_0 a quarter.",
    )
    flash_attention: FlashAttention = Field(
        default="auto",
        description="Attention kernels that keep no scores; off cannot be had with a quantized cache.",
        json_schema_extra=ADVANCED,
    )
    mmap: bool = Field(
        default=True, description="Map the file instead of reading it into memory.", json_schema_extra=ADVANCED
    )
    mlock: bool = Field(
        default=False, description="Forbid the system to take the weights' memory away.", json_schema_extra=ADVANCED
    )
    prompt_cache_mib: int = Field(
        default=-1,
        ge=-1,
        le=1_048_576,
        description="Memory for prompts of past conversations.",
        json_schema_extra=ADVANCED,
    )

    @field_validator("flash_attention")
    @classmethod
    def _quantized_cache_needs_it(cls, value: FlashAttention, info: ValidationInfo) -> FlashAttention:
        if value == "off" and str(info.data.get("cache_type", "")).startswith("q"):
            raise ValueError("a quantized cache_type needs flash attention; choose auto, or the cache_type f16")
        return value


def load(model: LocalModel, options: LlamaCppOptions, report: Report) -> "LlamaCppEngine":
    from modules.engines.llamacpp.engine import LlamaCppEngine

    return LlamaCppEngine(model, options, report)


def estimate(model: LocalModel, options: LlamaCppOptions, machine: Machine) -> MemoryEstimate:
    """Raises ModelError when not even the smallest context fits."""
    from modules.engines.llamacpp.plan import make_plan

    return make_plan(model, options, machine).memory


def token_cost(model: LocalModel, options: LlamaCppOptions) -> TokenCost:
    from modules.engines.llamacpp import memory

    return memory.token_cost(model, options)


def prepare() -> None:
    import_module("modules.engines.llamacpp.engine")


LLAMACPP = EngineKind(
    "llamacpp",
    ("gguf",),
    LlamaCppOptions,
    load,
    estimate,
    token_cost,
    prepare,
    worker_bytes=36 * 2**20,
    ignored_knobs=IGNORED_KNOBS,
    samplers=SAMPLERS,
)
