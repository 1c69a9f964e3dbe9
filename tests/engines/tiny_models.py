"""Models of a few thousand random weights, one of each kind of architecture, with a tokenizer whose text tells the ids."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = 160
EOS, PAD = 0, 1
COMMON: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
    # Random models say the same word for ever when their weights are small.
    "initializer_range": 0.6,
}
GROUPED: dict[str, Any] = {**COMMON, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", GROUPED),
    "mistral": ("MistralConfig", {**GROUPED, "sliding_window": 16}),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", {**GROUPED, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**GROUPED, "head_dim": 8, "sliding_window": 16}),
    "gemma3": ("Gemma3TextConfig", {**GROUPED, "head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    "phi3": ("Phi3Config", GROUPED),
    "gpt2": ("GPT2Config", {"vocab_size": WORDS, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "bos_token_id": None, "eos_token_id": EOS, "pad_token_id": PAD, "initializer_range": 0.6}),
    "gpt_neox": ("GPTNeoXConfig", COMMON),
    "opt": ("OPTConfig", {**{name: value for name, value in COMMON.items() if name not in {"intermediate_size", "initializer_range"}}, "ffn_dim": 128, "init_std": 0.6, "word_embed_proj_dim": 64}),
    "mixtral": ("MixtralConfig", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "mamba": ("MambaConfig", {"vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 3, "state_size": 8, "bos_token_id": None, "eos_token_id": EOS, "pad_token_id": PAD, "initializer_range": 0.6}),
    "falcon_h1": ("FalconH1Config", {**GROUPED, "head_dim": 8, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 16}),
    "mamba2": ("Mamba2Config", {"vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 1, "chunk_size": 16, "bos_token_id": None, "eos_token_id": EOS, "pad_token_id": PAD, "initializer_range": 0.6}),
    "lfm2": ("Lfm2Config", {**GROUPED, "full_attn_idxs": [1]}),
    "qwen3_next": ("Qwen3NextConfig", {**GROUPED, "head_dim": 16, "num_hidden_layers": 4, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32}),
}  # fmt: skip


ENCODER: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 130,
    "pad_token_id": PAD,
    "initializer_range": 0.3,
}
# The class that the checkpoint was saved from, its config, and how many tokens it reads.
ENCODERS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "bert": ("BertModel", "BertConfig", ENCODER, 130),
    "bert-masked": ("BertForMaskedLM", "BertConfig", ENCODER, 130),
    # It counts places from behind the filler's.
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", ENCODER, 128),
    "distilbert": ("DistilBertForMaskedLM", "DistilBertConfig", {"vocab_size": WORDS, "dim": 64, "hidden_dim": 128, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 130, "pad_token_id": PAD, "initializer_range": 0.3}, 130),
    "modernbert": ("ModernBertForMaskedLM", "ModernBertConfig", {**ENCODER, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "local_attention": 16, "global_attn_every_n_layers": 2}, 130),
    "llama-headless": ("LlamaModel", "LlamaConfig", {**GROUPED, "initializer_range": 0.3}, 512),
}  # fmt: skip


def make_encoder(folder: Path, kind: str, seed: int = 0) -> Path:
    """Saves a model that only embeds; its tokenizer puts t2 before a text and t3 after it."""
    name, config, values, _ = ENCODERS[kind]
    torch.manual_seed(seed)
    model = getattr(transformers, name)(getattr(transformers, config)(**values)).float()
    model.save_pretrained(folder)
    save_tokenizer(folder, frame="t2 $A t3")
    return folder


def make_folder(folder: Path, architecture: str, seed: int = 0, **changes: Any) -> Path:
    """Saves the model and its tokenizer in Hugging Face format, as float32."""
    name, values = ARCHITECTURES[architecture]
    torch.manual_seed(seed)
    config = getattr(transformers, name)(**{**values, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config.eos_token_id = EOS
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path, words: int = WORDS, frame: str = "", further: Sequence[str] = ()) -> None:
    """`further` are special tokens in the place of the last words."""
    vocabulary = {"<eos>": EOS, "<pad>": PAD, **{f"t{number}": number for number in range(2, words - len(further))}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))  # type: ignore[arg-type]
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    if frame:
        tokenizer.post_processor = processors.TemplateProcessing(frame, special_tokens=[("t2", 2), ("t3", 3)])  # type: ignore[assignment]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", unk_token="<pad>")
    fast.add_special_tokens({"additional_special_tokens": list(further)})  # pyright: ignore[reportUnknownMemberType]
    fast.save_pretrained(folder)


def words(tokens: list[int]) -> str:
    return " ".join(f"t{token}" for token in tokens)


def tokens_of(text: str) -> list[int]:
    """Some architectures' tokenizers leave the spaces out."""
    return [int(number) for number in re.findall(r"t(\d+)", text)]
