"""What a GGUF file's header says of the model, never trusted."""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from modules.errors import ModelError
from modules.library.gguf_reader import CutOffError, Reader
from modules.library.gguf_types import FILE_TYPES, TENSOR_TYPES
from modules.types.local_model import ModelShape

# How much of a file is read for its header: as little as does.
PREFIX_BYTES = (2 * 2**20, 8 * 2**20, 64 * 2**20)


@dataclass(frozen=True)
class GgufHeader:
    """`name` is the title its author gave, or empty; `kind` is model, adapter, mmproj ...; `shards` how many files
    make up the model. Of a header that was cut off, what came before the cut: the tensors come last."""

    name: str
    shape: ModelShape
    quantization: str = ""
    licence: str = ""
    kind: str = ""
    has_chat_template: bool = False
    shards: int = 1


def read_gguf_header(path: Path) -> GgufHeader:
    """Raises ModelError with the reason when the file is damaged, truncated or not a GGUF.

    Long lists of texts are leapt over first; only what looks wrong like that is read text by text.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for length in PREFIX_BYTES:
                file.seek(0)
                reader = Reader(file.read(length), leaps=True)
                try:
                    reader.read_whole(size)
                except CutOffError:
                    continue
                except ModelError:
                    break
                return header_of(reader)
            file.seek(0)
            reader = Reader(file.read(PREFIX_BYTES[-1]))
            reader.read_whole(size)
            return header_of(reader)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or 'the system refuses'}.") from error


def read_gguf_prefix(content: bytes) -> GgufHeader:
    """What the first bytes of a file say, as far as they reach. Raises ModelError when they are no GGUF's."""
    reader = Reader(content)
    with suppress(CutOffError):
        reader.read()
    return header_of(reader)


def header_of(reader: Reader) -> GgufHeader:
    values = reader.values
    return GgufHeader(
        name=text_of(values, "general.name"),
        shape=shape_of(values, reader.lengths.get("tokenizer.ggml.tokens", 0), reader.parameters),
        quantization=quantization_of(values, reader.types),
        licence=text_of(values, "general.license"),
        kind=text_of(values, "general.type"),
        has_chat_template=bool(text_of(values, "tokenizer.chat_template")),
        shards=number_of(values, "split.count") or 1,
    )


def shape_of(values: dict[str, Any], tokens: int, parameters: int) -> ModelShape:
    """Layers may differ: then the header lists a number for each."""
    architecture = text_of(values, "general.architecture")

    def number(key: str) -> int:
        return number_of(values, f"{architecture}.{key}")

    heads, layers = number("attention.head_count"), number("block_count")
    head_length = number("embedding_length") // heads if heads else 0
    key_length = number("attention.key_length") or head_length
    value_length = number("attention.value_length") or head_length
    kv_heads = numbers_of(values.get(f"{architecture}.attention.head_count_kv"))
    return ModelShape(
        architecture=architecture,
        parameters=parameters,
        layers=layers,
        kv_heads=max(kv_heads, default=0) or heads,
        key_length=key_length,
        value_length=value_length,
        context_length=number("context_length"),
        heads=heads,
        embedding_length=number("embedding_length"),
        feed_forward_length=number("feed_forward_length") or number("expert_feed_forward_length"),
        vocabulary=tokens or number("vocab_size"),
        sliding_window=number("attention.sliding_window"),
        kv_values=sum(kv_heads[:layers]) * (key_length + value_length) if len(kv_heads) > 1 else 0,
        experts=number("expert_count"),
        active_experts=number("expert_used_count"),
    )


def quantization_of(values: dict[str, Any], types: Counter[int]) -> str:
    """What the file says of itself; else the type of most of its weights."""
    said = values.get("general.file_type")
    if isinstance(said, int) and said in FILE_TYPES:
        return FILE_TYPES[said]
    return TENSOR_TYPES[types.most_common(1)[0][0]][0] if types else ""


def text_of(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value[:200] if isinstance(value, str) else ""


def number_of(values: dict[str, Any], key: str) -> int:
    """The largest where there is one for each layer; 0 when absent, of another kind, or beyond any model's size."""
    return max(numbers_of(values.get(key)), default=0)


def numbers_of(value: Any) -> tuple[int, ...]:
    listed = cast(tuple[Any, ...], value) if isinstance(value, tuple) else (value,)
    return tuple(one if isinstance(one, int) and 0 <= one < 2**40 else 0 for one in listed)
