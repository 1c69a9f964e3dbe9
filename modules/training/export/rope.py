"""Rotary positions as llama.cpp has them: keys of a GGUF file, and factors that are tensors."""

import math
from collections.abc import Mapping
from typing import Any

import gguf
import numpy

from modules.errors import ModelError

Values = Mapping[str, Any]
KINDS = ("default", "linear", "yarn", "llama3")
# numpy's words for kinds of arrays are known in parts only.
arrays: Any = numpy


def describe_rope(writer: Any, rope: Values, config: Values) -> None:
    """`rope` is of all layers, or of those that see all. Raises ModelError for a kind that cannot be written."""
    kind = rope["rope_type"]
    if kind not in KINDS:
        raise ModelError(
            f"Rotary positions of the kind {kind} cannot be written as GGUF here. These can: {', '.join(KINDS)}."
        )
    writer.add_rope_freq_base(rope["rope_theta"])
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        original = rope.get("original_max_position_embeddings") or config["max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)


def describe_long_rope(writer: Any, rope: Values, config: Values) -> None:
    """llama.cpp takes the short factors while its context is no longer than the model's first one, and the long ones
    otherwise; transformers looks at each text."""
    original = rope["original_max_position_embeddings"]
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_scaling_orig_ctx_len(original)
    attention = rope.get("attention_factor")
    if attention is None:
        stretch = rope.get("factor") or config["max_position_embeddings"] / original
        attention = math.sqrt(1 + math.log(stretch) / math.log(original)) if stretch > 1 else 1.0
    writer.add_rope_scaling_attn_factors(attention)


def rope_factors(config: Values) -> dict[str, Any]:
    """What frequencies of each pair are divided by, float32, by the name of the tensor; empty where nothing is."""
    rope: Values = config.get("rope_parameters") or {}
    match rope.get("rope_type"):
        case "llama3":
            return {"rope_freqs.weight": llama3_factors(rope, config)}
        case "longrope":
            return {
                f"rope_factors_{length}.weight": arrays.array(rope[f"{length}_factor"], dtype=numpy.float32)
                for length in ("long", "short")
            }
        case _:
            return {}


def llama3_factors(rope: Values, config: Values) -> Any:
    head_length = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    lengths = 2 * math.pi * rope["rope_theta"] ** (arrays.arange(0, head_length, 2) / head_length)
    smooth = ((original / lengths - low) / (high - low)).clip(0.0, 1.0)
    return (1 / ((1 - smooth) / factor + smooth)).astype(numpy.float32)
