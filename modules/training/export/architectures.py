"""Architectures as llama.cpp has them: what a GGUF file says of a model's shape, and how its tensors are laid out."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import numpy
from torch import Tensor

from modules.errors import ModelError

Config = Mapping[str, Any]
Layout = Callable[[str, Tensor, Config], Tensor]
ROPE_KINDS = ("default", "linear", "yarn", "llama3")


@dataclass(frozen=True)
class Architecture:
    """`name` is llama.cpp's word. `describe` writes the shape; `lay_out` is what becomes of a tensor by its name in
    the folder; `skips` are tensors of the folder that are no weights."""

    name: str
    describe: Callable[[Any, Config], None]
    lay_out: Layout
    skips: tuple[str, ...] = ()

    def tensor_names(self, layers: int) -> Any:
        """The gguf package's map from a folder's names."""
        return gguf.get_tensor_name_map(architecture_number(self.name), layers)


def architecture_of(config: Config) -> Architecture:
    """Raises ModelError for one that cannot be written, by its name."""
    kind = str(config.get("model_type", ""))
    if kind not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ModelError(f"A model of the kind {kind or 'unknown'} cannot be written as GGUF here. These can: {known}.")
    return ARCHITECTURES[kind]


def architecture_number(name: str) -> Any:
    return next(number for number, known in gguf.MODEL_ARCH_NAMES.items() if known == name)


def layer_count(config: Config) -> int:
    return int(config.get("num_hidden_layers") or config["n_layer"])


def describe_llama(writer: Any, config: Config) -> None:
    """Of all that go back to llama: rotary positions, grouped heads, a gated feed-forward layer, RMS norms."""
    heads = config["num_attention_heads"]
    head_length = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_block_count(config["num_hidden_layers"])
    # llama.cpp knows no window for these; up to its length a windowed model is the same without one.
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    writer.add_context_length(min(config["max_position_embeddings"], window or config["max_position_embeddings"]))
    describe_widths(writer, config, heads, head_length)
    describe_rope(writer, rope_of(config), config)
    writer.add_rope_dimension_count(head_length)


def describe_gemma(writer: Any, config: Config) -> None:
    heads = config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    describe_widths(writer, config, heads, config["head_dim"])
    if (soft_cap := config.get("attn_logit_softcapping")) is not None:
        writer.add_attn_logit_softcapping(soft_cap)
    if (soft_cap := config.get("final_logit_softcapping")) is not None:
        writer.add_final_logit_softcapping(soft_cap)
    if config["model_type"] != "gemma":
        writer.add_sliding_window(config["sliding_window"])


def describe_widths(writer: Any, config: Config, heads: int, head_length: int) -> None:
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head_length)
    writer.add_value_length(head_length)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def describe_gpt2(writer: Any, config: Config) -> None:
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_vocab_size(config["vocab_size"])


def rope_of(config: Config) -> dict[str, Any]:
    """Older folders keep the base apart from the scaling."""
    rope: dict[str, Any] = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
    rope.setdefault("rope_type", rope.get("type", "default"))
    return rope


def describe_rope(writer: Any, rope: dict[str, Any], config: Config) -> None:
    kind = rope["rope_type"]
    if kind not in ROPE_KINDS:
        raise ModelError(
            f"Rotary positions of the kind {kind} cannot be written as GGUF here. These can: {', '.join(ROPE_KINDS)}."
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


def rope_factors(config: Config) -> Any:
    """What llama3's scaling divides each pair's frequency by, float32; None for another kind."""
    rope = rope_of(config)
    if rope["rope_type"] != "llama3":
        return None
    head_length = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    # numpy's words for kinds of arrays are known in parts only.
    count: Any = numpy.arange
    lengths = 2 * math.pi * rope["rope_theta"] ** (count(0, head_length, 2) / head_length)
    smooth = ((original / lengths - low) / (high - low)).clip(0.0, 1.0)
    return (1 / ((1 - smooth) / factor + smooth)).astype(numpy.float32)


def as_stored(_name: str, tensor: Tensor, _config: Config) -> Tensor:
    return tensor


def interleaved(name: str, tensor: Tensor, config: Config) -> Tensor:
    """llama.cpp turns neighbouring values of llama's queries and keys, transformers those half a head apart."""
    heads: int = config["num_attention_heads"]
    if ".q_proj." in name:
        return interleave(tensor, heads)
    if ".k_proj." in name:
        return interleave(tensor, config.get("num_key_value_heads") or heads)
    return tensor


def interleave(tensor: Tensor, heads: int) -> Tensor:
    """[heads * length, ...]: the rows of each head, first and second half alternating."""
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def with_one(name: str, tensor: Tensor, _config: Config) -> Tensor:
    """Gemma's norms multiply by one more than their weights."""
    return tensor.float() + 1 if name.endswith("norm.weight") else tensor


def turned(name: str, tensor: Tensor, _config: Config) -> Tensor:
    """GPT-2 keeps linear layers as [inputs, outputs]."""
    is_linear = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    return tensor.T if is_linear else tensor


LLAMA = Architecture("llama", describe_llama, interleaved, skips=("rotary_emb.inv_freq",))
ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": Architecture("qwen2", describe_llama, as_stored),
    "qwen3": Architecture("qwen3", describe_llama, as_stored),
    "gemma": Architecture("gemma", describe_gemma, with_one),
    "gemma2": Architecture("gemma2", describe_gemma, with_one),
    "gpt2": Architecture("gpt2", describe_gpt2, turned, skips=(".attn.bias", ".attn.masked_bias")),
}
