"""Architectures as llama.cpp has them: what a GGUF file says of a model's shape, and how its tensors are laid out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gguf
from torch import Tensor
from transformers import CONFIG_MAPPING

from modules.errors import ModelError
from modules.training.export.rope import describe_long_rope, describe_rope

Config = Mapping[str, Any]
Layout = Callable[[str, Tensor, Config], Tensor]
# transformers is typed only in parts.
CONFIGS: Any = CONFIG_MAPPING
# llama.cpp divides scores of attention by a number of its own for gemma-3-27b, which it knows by its layers.
LAYERS_OF_GEMMA3_27B = 62


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


def completed(config: Config) -> Config:
    """With what the folder leaves out, and under the names that transformers has for it now. Raises ModelError."""
    try:
        return CONFIGS[config["model_type"]].from_dict(dict(config)).to_dict()
    except Exception as error:
        # Each kind of config has checks of its own, which raise what they like.
        raise ModelError(f"The config.json of the model is wrong: {str(error)[:300]}.") from error


def describe_llama(writer: Any, config: Config) -> None:
    """Of all that go back to llama: rotary positions, grouped heads, a gated feed-forward layer, RMS norms."""
    describe_layers(writer, config)
    describe_rope(writer, config["rope_parameters"], config)
    writer.add_rope_dimension_count(head_length(config))


def describe_phi3(writer: Any, config: Config) -> None:
    """Queries, keys and values are one tensor in both, and so are the gate and what it gates."""
    describe_layers(writer, config)
    rope = config["rope_parameters"]
    if rope["rope_type"] == "longrope":
        describe_long_rope(writer, rope, config)
    else:
        describe_rope(writer, rope, config)
    writer.add_rope_dimension_count(int(head_length(config) * rope["partial_rotary_factor"]))


def describe_layers(writer: Any, config: Config) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    # llama.cpp knows no window for these; up to its length a windowed model is the same without one.
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    writer.add_context_length(min(config["max_position_embeddings"], window or config["max_position_embeddings"]))
    describe_widths(writer, config)


def head_length(config: Config) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def describe_gemma(writer: Any, config: Config) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    describe_widths(writer, config)
    if (soft_cap := config.get("attn_logit_softcapping")) is not None:
        writer.add_attn_logit_softcapping(soft_cap)
    if (soft_cap := config.get("final_logit_softcapping")) is not None:
        writer.add_final_logit_softcapping(soft_cap)
    if config["model_type"] != "gemma":
        writer.add_sliding_window(config["sliding_window"])


def describe_gemma3(writer: Any, config: Config) -> None:
    """Most layers look back no further than a window, and turn by a base of their own; the others see all.

    Raises ModelError for what llama.cpp takes for granted of these models and this one does otherwise.
    """
    describe_gemma(writer, config)
    every = period_of(config["layer_types"])
    if config.get("attn_logit_softcapping") is not None or config.get("use_bidirectional_attention"):
        raise ModelError("A gemma3 model with capped scores, or that looks ahead, cannot be written as GGUF.")
    is_27b = config["num_hidden_layers"] == LAYERS_OF_GEMMA3_27B
    divisor = config["hidden_size"] // config["num_attention_heads"] if is_27b else config["head_dim"]
    if config["query_pre_attn_scalar"] != divisor:
        raise ModelError(
            f"llama.cpp divides scores of such a gemma3 model by the root of {divisor}, and this one was made for "
            f"{config['query_pre_attn_scalar']}, so it cannot be written as GGUF."
        )
    ropes = config["rope_parameters"]
    if ropes["sliding_attention"]["rope_type"] != "default":
        raise ModelError("A gemma3 model whose windowed layers stretch their positions cannot be written as GGUF.")
    writer.add_sliding_window_pattern(every)
    writer.add_rope_freq_base_swa(ropes["sliding_attention"]["rope_theta"])
    describe_rope(writer, ropes["full_attention"], config)


def period_of(layer_types: Sequence[str]) -> int:
    """Every so manyth layer sees all. Raises ModelError where they do not follow one after the other like that."""
    full = [place for place, kind in enumerate(layer_types, start=1) if kind == "full_attention"]
    every = full[0] if full else len(layer_types) + 1
    if full != list(range(every, len(layer_types) + 1, every)):
        raise ModelError(
            "llama.cpp knows layers that see all at equal distances only, and those of this model lie at "
            f"{', '.join(map(str, full))[:200]}, so it cannot be written as GGUF."
        )
    return every


def describe_widths(writer: Any, config: Config) -> None:
    heads = config["num_attention_heads"]
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head_length(config))
    writer.add_value_length(head_length(config))
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
    "gemma3_text": Architecture("gemma3", describe_gemma3, with_one),
    "phi3": Architecture("phi3", describe_phi3, as_stored),
    "gpt2": Architecture("gpt2", describe_gpt2, turned, skips=(".attn.bias", ".attn.masked_bias")),
}
