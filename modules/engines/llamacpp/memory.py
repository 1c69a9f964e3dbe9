"""What memory llama.cpp takes, term by term; the plan and the estimate both ask here.

Terms were measured as proportional set size with xllamacpp 2026.10 on x86 (`python -m tests.benchmarks.oracle`).
"""

from dataclasses import dataclass

from modules.engines.llamacpp.kind import CacheType, LlamaCppOptions
from modules.types.estimates import TokenCost
from modules.types.local_model import LocalModel

MIB = 1024 * 1024
# ggml's blocks: bytes of a value of keys or values.
CACHE_BYTES: dict[CacheType, float] = {
    "f32": 4,
    "f16": 2,
    "bf16": 2,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
}
# Tokens come in such steps in each slot's cache.
CACHE_STEP = 256
# The library's own pages, its server and threads.
FIXED_BYTES = 9 * MIB
# A token's text, score and merges in its vocabulary's tables.
VOCABULARY_ENTRY_BYTES = 525
# A candidate in a sampler, and a logit.
SAMPLING_ENTRY_BYTES = 16
# Share of the weights that a CPU of x86 keeps once more, rearranged for its vector units, beside the mapped file. Mixed
# quantizations have only some of their tensors in a form that is.
REARRANGED = {"Q4_0": 1.0, "IQ4_NL": 1.0, "Q4_K_S": 0.85, "Q4_K_M": 0.65, "Q3_K_S": 0.0, "Q2_K": 0.6, "MXFP4": 0.9}
# Share of the layers that see no further than the sliding window. Other architectures' windows are not used.
SLIDING = {
    "gemma2": 1 / 2,
    "gemma3": 5 / 6,
    "gemma3n": 4 / 5,
    "gpt-oss": 1 / 2,
    "cohere2": 3 / 4,
    "exaone4": 3 / 4,
    "olmo2": 3 / 4,
}
# A text of ordinary length, for the speed.
TYPICAL_TOKENS = 512
# Share of the memory's bandwidth that weights are read with, by what they are quantized in, and what a layer takes
# besides. To set them: `python -m tests.benchmarks.oracle`, nothing else running, and its last lines.
EFFICIENCY = {"F16": 0.8, "BF16": 0.5, "F32": 0.8, "Q8_0": 0.62, "Q4_0": 0.66, "Q4_1": 0.47}
OTHER_EFFICIENCY = 0.5
LAYER_SECONDS = 60e-6


@dataclass(frozen=True)
class Footprint:
    """Bytes as a function of what a plan chooses. Tokens are those of one slot's context."""

    model: LocalModel
    options: LlamaCppOptions
    on_gpu: bool = False

    @property
    def weights_bytes(self) -> int:
        """The whole file, which is mapped and read once, and what is rearranged of it."""
        return int(self.model.size_bytes * (1 + self._rearranged))

    def cache_bytes(self, tokens: int, slots: int, batch_tokens: int) -> int:
        """All slots' caches are allocated and cleared when the model is loaded."""
        shape = self.model.shape
        per_token = shape.kv_bytes_per_token(1) * CACHE_BYTES[self.options.cache_type]
        padded = rounded(tokens)
        share = SLIDING.get(shape.architecture, 0.0) if shape.sliding_window else 0.0
        within = min(padded, rounded(shape.sliding_window + batch_tokens))
        return int(slots * per_token * ((1 - share) * padded + share * within))

    def compute_bytes(self, tokens: int, slots: int, batch_tokens: int) -> int:
        """Fixed parts, the vocabulary, and a batch's activations: only what was written to counts."""
        shape = self.model.shape
        activations = 4 * (4 * shape.embedding_length + 2 * shape.feed_forward_length)
        # A mask in two number formats; without flash attention also each head's scores.
        scores = 4 * shape.heads if self.options.flash_attention == "off" else 0
        seen = rounded(tokens) * (6 + scores)
        vocabulary = shape.vocabulary * (VOCABULARY_ENTRY_BYTES + slots * SAMPLING_ENTRY_BYTES)
        return FIXED_BYTES + vocabulary + batch_tokens * (activations + seen)

    def layers_that_fit(self, cache_bytes: int, gpu_bytes: int) -> int:
        """How many of the layers, the output counted as one, a card with so many bytes free can hold."""
        layers = self.model.shape.layers + 1
        each = (self.weights_bytes + cache_bytes) / layers
        return max(0, min(layers, int(gpu_bytes / max(each, 1))))

    @property
    def _rearranged(self) -> float:
        if self.on_gpu or not self.options.mmap:
            return 0.0
        return REARRANGED.get(self.model.quantization, 0.0)


def token_cost(model: LocalModel, options: LlamaCppOptions) -> TokenCost:
    """The weights that are active for a token, and the keys and values of a text of ordinary length."""
    cache = int(TYPICAL_TOKENS * model.shape.kv_bytes_per_token(1) * CACHE_BYTES[options.cache_type])
    return TokenCost(
        model.quantization,
        int(model.size_bytes * model.shape.active_share()) + cache,
        EFFICIENCY.get(model.quantization, OTHER_EFFICIENCY),
        model.shape.layers * LAYER_SECONDS,
    )


def rounded(tokens: int) -> int:
    return -(-tokens // CACHE_STEP) * CACHE_STEP
