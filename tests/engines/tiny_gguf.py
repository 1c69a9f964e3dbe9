"""A llama of a few thousand random weights as a GGUF file that llama.cpp really loads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy

WORDS, WIDTH, INNER, LAYERS, HEADS, KV_HEADS = 320, 64, 128, 3, 4, 2
HEAD = WIDTH // HEADS


def make_gguf(path: Path, seed: int = 0, further: Sequence[str] = ()) -> Path:
    """float32, a context of 512 tokens, and a vocabulary of bytes and words; the last are special: `further`."""
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    add_vocabulary(writer, further)
    random = numpy.random.default_rng(seed)
    for name, shape in tensors():
        values = numpy.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        writer.add_tensor(name, values.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(writer: Any, further: Sequence[str]) -> None:
    """As SentencePiece has it: unknown, begin, end, all bytes, and words."""
    special = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    words = [f"\N{LOWER ONE EIGHTH BLOCK}t{number}" for number in range(WORDS - len(special) - 256 - len(further))]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(words), *[3] * len(further)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*special, *byte_tokens, *words, *further])
    writer.add_token_scores([0.0] * WORDS)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def tensors() -> list[tuple[str, tuple[int, ...]]]:
    found: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (WORDS, WIDTH))]
    for layer in range(LAYERS):
        named = {
            "attn_norm": (WIDTH,),
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (KV_HEADS * HEAD, WIDTH),
            "attn_v": (KV_HEADS * HEAD, WIDTH),
            "attn_output": (WIDTH, WIDTH),
            "ffn_norm": (WIDTH,),
            "ffn_gate": (INNER, WIDTH),
            "ffn_up": (INNER, WIDTH),
            "ffn_down": (WIDTH, INNER),
        }
        found += [(f"blk.{layer}.{name}.weight", shape) for name, shape in named.items()]
    return [*found, ("output_norm.weight", (WIDTH,)), ("output.weight", (WORDS, WIDTH))]
