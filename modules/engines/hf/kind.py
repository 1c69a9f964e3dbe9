"""The transformers engine's declaration; torch and transformers are imported only in the worker."""

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from modules.engines.protocol import ADVANCED, GPU_ONLY, START_ONLY, EngineKind, EngineOptions, Report
from modules.limits import LIMITS
from modules.types.estimates import MemoryEstimate, TokenCost
from modules.types.local_model import LocalModel
from modules.types.machine import Machine

if TYPE_CHECKING:
    from modules.engines.hf.encoder import EncoderEngine
    from modules.engines.hf.engine import HfEngine

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Device = Literal["auto", "cpu", "cuda"]
Attention = Literal["auto", "sdpa", "eager", "flash_attention_2"]
Speculation = Literal["off", "lookup", "draft"]
Weights = Literal["auto", "plain", "packed", "int4", "int8", "nf4", "fp4"]


class HfOptions(EngineOptions):
    """Some go together only on a CPU or only on a GPU; loading says which."""

    context_length: int = Field(default=0, ge=0, le=LIMITS.context_tokens, description="Tokens one request may hold.")
    slots: int = Field(default=0, ge=0, le=64, description="Requests answered at once.")
    threads: int = Field(default=0, ge=0, le=1024, description="Threads for computing.", json_schema_extra=ADVANCED)
    dtype: Dtype = Field(
        default="auto",
        description="Number format of weights; auto takes the checkpoint's own.",
        json_schema_extra=ADVANCED,
    )
    device: Device = Field(
        default="auto",
        description="Where the model computes; auto takes a GPU where there is one.",
        json_schema_extra=GPU_ONLY,
    )
    weights: Weights = Field(
        default="auto",
        description="How weights are kept: packed is as exact as plain and faster on a CPU, int4 the fastest there; "
        "int8, nf4 and fp4 are bitsandbytes' formats.",
    )
    double_quantization: bool = Field(
        default=True,
        description="For nf4 and fp4: quantize their scales too, which saves 0.4 bits a weight.",
        json_schema_extra=ADVANCED,
    )
    compute_dtype: Dtype = Field(
        default="auto",
        description="For nf4 and fp4: number format that is computed in; auto takes that of dtype.",
        json_schema_extra=ADVANCED,
    )
    attention: Attention = Field(
        default="auto", description="Attention kernels; auto is PyTorch's own (sdpa).", json_schema_extra=ADVANCED
    )
    gpu_memory_mib: int = Field(
        default=0,
        ge=0,
        le=16_777_216,
        description="GPU memory for weights; what does not fit goes to main memory.",
        json_schema_extra=ADVANCED | GPU_ONLY,
    )
    cpu_memory_mib: int = Field(
        default=0,
        ge=0,
        le=16_777_216,
        description="Main memory for weights; what does not fit stays on disk.",
        json_schema_extra=ADVANCED,
    )
    cuda_graphs: bool = Field(
        default=True,
        description="On a GPU, write in passes that are recorded once.",
        json_schema_extra=ADVANCED | GPU_ONLY,
    )
    speculation: Speculation = Field(
        default="off",
        description="Guess the next tokens and check several at once: lookup guesses from the text itself, draft asks "
        "a smaller model. The text stays the same.",
    )
    draft_model: str = Field(default="", max_length=500, description="The smaller model that guesses, by its name.")
    trust_remote_code: bool = Field(
        default=False,
        description="Run Python code from the model's folder; only a flag at the start can allow it.",
        json_schema_extra=START_ONLY,
    )
    prompt_cache_mib: int = Field(
        default=-1,
        ge=-1,
        le=1_048_576,
        description="Memory for prompts of past conversations.",
        json_schema_extra=ADVANCED,
    )


def load(model: LocalModel, options: HfOptions, report: Report) -> "HfEngine | EncoderEngine":
    from modules.engines.hf.encoder import EncoderEngine
    from modules.engines.hf.engine import HfEngine
    from modules.engines.hf.loading import only_embeds

    assert model.path is not None
    return (EncoderEngine if only_embeds(model.path) else HfEngine)(model, options, report)


def estimate(model: LocalModel, options: HfOptions, machine: Machine) -> MemoryEstimate:
    from modules.engines.hf import footprint

    return footprint.estimate(model, options, machine)


def token_cost(model: LocalModel, options: HfOptions) -> TokenCost:
    from modules.engines.hf import footprint

    return footprint.token_cost(model, options)


def prepare() -> None:
    import_module("modules.engines.hf.encoder")
    import_module("modules.engines.hf.engine")


HF = EngineKind(
    "transformers", ("safetensors",), HfOptions, load, estimate, token_cost, prepare, worker_bytes=300 * 2**20
)
