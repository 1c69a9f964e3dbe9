"""What memory the transformers engine takes, term by term, from headers alone and without torch.

Terms were measured as proportional set size with torch 2.13 on x86 (`python -m tests.benchmarks.oracle`).
"""

from dataclasses import dataclass

from modules.engines.hf.kind import Dtype, HfOptions
from modules.types.estimates import MemoryEstimate, TokenCost
from modules.types.local_model import LocalModel, ModelShape
from modules.types.machine import Machine

MIB = 1024 * 1024
SLOTS = 8
GPU_SLOTS = 32
DEFAULT_CONTEXT = 8192
# Of a GPU's memory that is free once the weights are there, for keys and values.
GPU_SHARE = 0.7
# The model's own Python code, kernels made at the first pass, the tokenizer's and the compute thread's buffers.
FIXED_BYTES = 38 * MIB
# bitsandbytes' library, with its tables and, for 4 bits, what it unpacks weights into.
BITSANDBYTES_BYTES = {"int8": 8 * MIB, "nf4": 64 * MIB, "fp4": 64 * MIB}
# A token's text and merges in the tokenizer's tables.
VOCABULARY_ENTRY_BYTES = 200
WIDTHS: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
# Bytes of a linear layer's parameter, scales included, in bitsandbytes' formats; its own head is left as it is.
BITSANDBYTES = {"int8": 1.0, "nf4": 0.53, "fp4": 0.53}
# int4's own numbers, with a scale and a zero point for each 32. Beside them the packed weights stay, for prompts.
INT4 = 0.5 + 4 / 32
# Recurrent models that read prompts whole, and the bytes they then take for each token, channel and place of the state.
WHOLE_PROMPTS = frozenset({"mamba", "falcon_mamba", "jamba"})
SCANNED_BYTES = 21.5
# Rows grow in such steps of tokens, and by no more than eight of them beyond what is needed.
CAPACITY_STEP = 256
PIECE = 256
# A text of ordinary length, for the speed.
TYPICAL_TOKENS = 512
# Share of the memory's bandwidth that weights are read with, and what a layer takes besides: Python's calls of kernels.
# To set them: `python -m tests.benchmarks.oracle`, nothing else running, and its last lines.
EFFICIENCY = {"plain": 0.25, "packed": 0.43, "int4": 0.47, "int8": 0.07, "nf4": 0.12, "fp4": 0.12}
LAYER_SECONDS = 340e-6
# Architectures whose layers make far fewer or more calls: gpt2 neither turns positions nor norms in Python.
LAYER_SECONDS_OF = {"gpt2": 105e-6, "gemma3": 480e-6, "gemma3_text": 480e-6, "mamba": 275e-6}
# Choosing among experts doubles a layer's calls. Sampling and handing over take the rest of a token's time.
EXPERTS_FACTOR = 1.8
TOKEN_SECONDS = 0.8e-3


@dataclass(frozen=True)
class Footprint:
    """Bytes of one load with these options. `width` is the bytes of a number of what is not quantized."""

    model: LocalModel
    options: HfOptions
    on_gpu: bool = False

    @property
    def weights_bytes(self) -> int:
        """A CPU keeps the mapped file, and beside it what is laid out anew; a GPU holds the weights alone."""
        linear, kind = self.linear_parameters, self.kind
        if self.is_quantized:
            return self.model.size_bytes
        if kind in BITSANDBYTES:
            return self._bitsandbytes_bytes + (0 if self.on_gpu else self.model.size_bytes)
        if kind == "packed":
            return self._kept_bytes + linear * self.width
        if kind == "int4":
            return self._kept_bytes + linear * self.width + int(linear * INT4)
        return self.model.shape.parameters * self.width

    @property
    def least_bytes(self) -> int:
        """Without which a load fails: the file's pages beside packed weights go when others need them."""
        if self.kind in BITSANDBYTES and not self.is_quantized:
            return self._bitsandbytes_bytes
        if self.is_quantized or self.kind not in {"packed", "int4"}:
            return self.weights_bytes
        extra = int(self.linear_parameters * INT4) if self.kind == "int4" else 0
        return self.model.shape.parameters * self.width + extra

    @property
    def _bitsandbytes_bytes(self) -> int:
        whole = self.model.shape.parameters - self._body_parameters
        return int(self._body_parameters * BITSANDBYTES[self.kind] + whole * self.width)

    @property
    def _kept_bytes(self) -> int:
        """Beside weights that were laid out anew: the mapped file, or the embeddings where numbers were converted."""
        shape = self.model.shape
        is_mapped = self.width == self.stored_width
        return self.width * (shape.parameters if is_mapped else shape.vocabulary * shape.embedding_length)

    @property
    def kind(self) -> str:
        """The option `weights`, decided: auto is packed on a CPU where layers are regular."""
        if self.options.weights != "auto":
            return self.options.weights
        return "plain" if self.on_gpu or self.is_quantized or not self.model.shape.kv_heads else "packed"

    @property
    def width(self) -> int:
        return WIDTHS.get(self.options.dtype, self.stored_width)

    @property
    def stored_width(self) -> int:
        """A file of plain numbers takes 2 or 4 bytes for each; quantized ones less, and compute in 2."""
        parameters = self.model.shape.parameters
        return 4 if parameters and self.model.size_bytes / parameters > 3 else 2

    @property
    def is_quantized(self) -> bool:
        """Whether the file's own numbers are smaller than any that is computed with."""
        parameters = self.model.shape.parameters
        return bool(parameters) and self.model.size_bytes / parameters < 1.5

    @property
    def linear_parameters(self) -> int:
        """Those of all linear layers, the head's included: one that shares the embeddings' numbers is copied."""
        shape = self.model.shape
        embeddings = shape.vocabulary * shape.embedding_length
        return max(shape.parameters if shape.tied_embeddings else shape.parameters - embeddings, 0)

    @property
    def _body_parameters(self) -> int:
        """Without embeddings and head."""
        shape = self.model.shape
        tables = shape.vocabulary * shape.embedding_length * (1 if shape.tied_embeddings else 2)
        return max(shape.parameters - tables, 0)

    def cache_bytes(self, tokens: int, slots: int) -> int:
        """Rows of all slots, as far as one prompt of all tokens makes them grow, and the copy kept of it."""
        return slots * self.kv_bytes(row_capacity(tokens))

    def kept_bytes(self, tokens: int, budget_bytes: int) -> int:
        """What stays of one full prompt when it has ended; one that is longer than the budget is not kept."""
        kept = self.kv_bytes(tokens)
        return kept if kept <= budget_bytes else 0

    def compute_bytes(self, tokens: int) -> int:
        """Fixed parts, the vocabulary, and what one full prompt needs besides."""
        shape = self.model.shape
        # A head that is not packed is laid out anew, and thrown away, for each piece of a prompt.
        head = 0 if self.on_gpu or self.kind in {"packed", "int4"} else shape.vocabulary * shape.embedding_length
        channels = 2 * shape.embedding_length * shape.state_size if shape.architecture in WHOLE_PROMPTS else 0
        fixed = FIXED_BYTES + BITSANDBYTES_BYTES.get(self.kind, 0) + shape.vocabulary * VOCABULARY_ENTRY_BYTES
        return fixed + head * self.width + int(SCANNED_BYTES * tokens * channels)

    def kv_bytes(self, tokens: int) -> int:
        return tokens * self.model.shape.kv_bytes_per_token(self.width)


def estimate(model: LocalModel, options: HfOptions, machine: Machine) -> MemoryEstimate:
    on_gpu = bool(machine.gpus) and options.device != "cpu"
    footprint = Footprint(model, options, on_gpu)
    weights = footprint.weights_bytes
    longest = model.shape.context_length or DEFAULT_CONTEXT
    context = min(options.context_length or longest, longest)
    gpu_free = machine.gpu_free_bytes if on_gpu else 0
    slots = options.slots or slot_count(footprint.kv_bytes(context), max(gpu_free - weights, 0), on_gpu=on_gpu)
    budget = prompt_cache_bytes(options, machine.available_bytes)
    kept = footprint.kept_bytes(context, budget)
    cache = footprint.cache_bytes(context, slots) + kept
    return MemoryEstimate(
        weights,
        cache,
        footprint.compute_bytes(context),
        gpu_bytes=min(weights + cache, gpu_free) if on_gpu else 0,
        context_length=context,
        slots=slots,
        later_bytes=budget - kept,
        growing_bytes=cache,
    )


def slot_count(request_bytes: int, gpu_free_bytes: int, *, on_gpu: bool) -> int:
    """As many as a GPU's free memory holds keys and values for at full length; a CPU gains nothing from more than 8."""
    if not on_gpu:
        return SLOTS
    return max(1, min(GPU_SLOTS, int(gpu_free_bytes * GPU_SHARE) // max(request_bytes, 1)))


def prompt_cache_bytes(options: HfOptions, available_bytes: int) -> int:
    mib = options.prompt_cache_mib if options.prompt_cache_mib >= 0 else min(1024, available_bytes // MIB // 16)
    return mib * MIB


def row_capacity(tokens: int) -> int:
    """Tokens that each row has room for once `tokens` have come in pieces."""
    capacity = 0
    for length in range(PIECE, tokens + PIECE, PIECE):
        capacity = grown(capacity, min(length, tokens))
    return capacity


def grown(capacity: int, length: int) -> int:
    """The new capacity of rows that must hold `length` tokens; it doubles, or is eight steps more than needed."""
    if length <= capacity:
        return capacity
    wanted = max(length, min(2 * capacity, length + 8 * CAPACITY_STEP))
    return -(-wanted // CAPACITY_STEP) * CAPACITY_STEP


def token_cost(model: LocalModel, options: HfOptions) -> TokenCost:
    """As on a CPU: the linear weights that are active for a token, and the keys and values of an ordinary text."""
    footprint = Footprint(model, options)
    linear = footprint.linear_parameters
    per_parameter = {"int4": INT4, **BITSANDBYTES}.get(footprint.kind, footprint.width)
    weights = model.size_bytes if footprint.is_quantized else int(linear * per_parameter)
    return TokenCost(
        footprint.kind,
        int(weights * model.shape.active_share()) + footprint.kv_bytes(TYPICAL_TOKENS),
        EFFICIENCY[footprint.kind],
        TOKEN_SECONDS + model.shape.layers * layer_seconds(model.shape),
    )


def layer_seconds(shape: ModelShape) -> float:
    return LAYER_SECONDS_OF.get(shape.architecture, LAYER_SECONDS) * (EXPERTS_FACTOR if shape.experts else 1)
