"""GGUF files made for tests: headers as real models have them, without the weights."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NUMBER, TEXT, ARRAY, LONG = 4, 8, 9, 10
Tensor = tuple[str, tuple[int, ...], int]
# One block of 32 values in Q8_0.
TENSORS: tuple[Tensor, ...] = (("token_embd.weight", (32, 4), 8), ("blk.0.attn_q.weight", (32, 2), 8))


def gguf_header(values: Mapping[str, Any], tensors: tuple[Tensor, ...] = TENSORS) -> bytes:
    """The bytes before the weights; tensors are (name, lengths, ggml type)."""
    entries = b"".join(text(key) + value_bytes(value) for key, value in values.items())
    named = b"".join(
        text(name) + struct.pack(f"<I{len(lengths)}QIQ", len(lengths), *lengths, kind, 0)
        for name, lengths, kind in tensors
    )
    return b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + entries + named


def llama_values(**more: Any) -> dict[str, Any]:
    """What a small llama's header says; `more` are entries whose dots are written as `__`."""
    values = {
        "general.architecture": "llama",
        "general.file_type": 7,
        "llama.block_count": 2,
        "llama.embedding_length": 32,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.context_length": 512,
        "tokenizer.ggml.tokens": ["<s>", "a", "b", "c"],
        "tokenizer.chat_template": "{{ messages }}",
    }
    return {**values, **{name.replace("__", "."): value for name, value in more.items()}}


def write_gguf(path: Path, *, tensors: tuple[Tensor, ...] = TENSORS, size: int = 4096, **more: Any) -> Path:
    """A sound model of `size` bytes, whose weights are a hole in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(gguf_header(llama_values(**more), tensors))
        file.truncate(max(size, file.tell() + 1024))
    return path


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def value_bytes(value: Any) -> bytes:
    """Kind and value: texts, whole numbers, and lists of one kind."""
    if isinstance(value, str | bytes):
        return struct.pack("<I", TEXT) + text(value)
    if isinstance(value, int):
        return struct.pack("<II", NUMBER, value) if value < 2**32 else struct.pack("<IQ", LONG, value)
    kind = TEXT if value and isinstance(value[0], str | bytes) else NUMBER
    content = b"".join(text(one) if kind == TEXT else struct.pack("<I", one) for one in value)
    return struct.pack("<IIQ", ARRAY, kind, len(value)) + content
