"""What a folder in Hugging Face format says of itself: its config and the headers of its safetensors files.

Nothing of it is executed and no weights are read. Format: https://github.com/huggingface/safetensors#format.
"""

import json
import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

from modules.errors import ModelError
from modules.types.local_model import ModelShape

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_HEADER_BYTES = 100 * 1024 * 1024
SAFETENSORS = ".safetensors"
# Weights that are programs: loading one may run anything.
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
CARD = "README.md"
MAX_CARD_BYTES = 64 * 1024
FRONT_MATTER = re.compile(r"---\r?\n(.*?)\r?\n---", re.DOTALL)
LICENCE = re.compile(r"^license:[ \t]*([\w.+-]{1,80})[ \t]*\r?$", re.MULTILINE)
# Numbers of few bits lie packed in these.
PACKED_BITS = {"I32": 32, "U8": 8}

Values = dict[str, Any]


@dataclass(frozen=True)
class ModelFolder:
    """`weights` are the safetensors files the model consists of."""

    shape: ModelShape
    weights: tuple[Path, ...]
    size_bytes: int
    quantization: str = ""
    licence: str = ""
    has_chat_template: bool = False


def is_weights_name(name: str) -> bool:
    """Of any format, those that are refused too."""
    return name.endswith((SAFETENSORS, *PICKLED))


def is_pickled_name(name: str) -> bool:
    return name.endswith(PICKLED)


def read_model_folder(folder: Path) -> ModelFolder:
    """Raises ModelError when weights are missing, damaged or pickled."""
    config = read_json(folder / CONFIG, MAX_JSON_BYTES)
    weights = weight_files(folder)
    types: Counter[str] = Counter()
    for path in weights:
        types.update(count_parameters(path))
    quantized, bits = quantization_of(config)
    return ModelFolder(
        shape_of(config, unpacked(types, bits)),
        tuple(weights),
        sum(path.stat().st_size for path in weights),
        quantization=quantized or (types.most_common(1)[0][0] if types else ""),
        licence=licence_of(folder / CARD),
        has_chat_template=has_chat_template(folder),
    )


def weight_files(folder: Path) -> list[Path]:
    """All shards that the index names; without an index, what is there."""
    if (folder / INDEX).is_file():
        placed = read_json(folder / INDEX, MAX_JSON_BYTES).get("weight_map")
        if not isinstance(placed, dict):
            raise ModelError(f"{INDEX} does not say where the weights are. Download the model again.")
        names = sorted({str(name) for name in cast(Values, placed).values()})
        if any(Path(name).name != name for name in names):
            raise ModelError(f"{INDEX} names files outside its folder.")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"Weights are missing: {', '.join(missing[:3])}. Download the model again.")
        return [folder / name for name in names]
    found = sorted(folder.glob(f"*{SAFETENSORS}"))
    if not found:
        raise ModelError(
            "Its weights are pickled, a format that may run any program when it is loaded. "
            "Look for a safetensors version of this model."
        )
    return found


def count_parameters(path: Path) -> Counter[str]:
    """How many values of each type a safetensors file has; checks that all its tensors lie inside it."""
    types: Counter[str] = Counter()
    for _, kind, shape in tensors(path):
        types[kind] += prod(shape)
    return types


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Of all weights in a folder, by name. Raises ModelError as `read_model_folder` does."""
    return {name: shape for path in weight_files(folder) for name, _, shape in tensors(path)}


def tensors(path: Path) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name, type of numbers and shape of each tensor in a safetensors file, all of which lie inside it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        beginning = file.read(8)
        length = struct.unpack("<Q", beginning)[0] if len(beginning) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise ModelError(f"{path.name} is damaged or cut short. Download it again.")
        header = parse(file.read(length), path.name)
    end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            kind, shape = str(entry["dtype"])[:20], tuple(map(int, entry["shape"]))
            end = max(end, int(entry["data_offsets"][1]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"{path.name} is damaged: its tensor {name[:80]!r} is not described.") from error
        yield name, kind, shape
    if 8 + length + end > size:
        raise ModelError(f"{path.name} is cut short: {8 + length + end:,} bytes are needed, it has {size:,}.")


def quantization_of(config: Values) -> tuple[str, int]:
    """(the method that made the weights smaller, bits of one), or empty and 0 for weights as they were trained."""
    said = config.get("quantization_config")
    if not isinstance(said, dict):
        return "", 0
    values = cast(Values, said)
    method = str(values.get("quant_method", "")).upper()[:40]
    if values.get("load_in_4bit") is True:
        return str(values.get("bnb_4bit_quant_type", "fp4")).upper()[:40], 4
    if values.get("load_in_8bit") is True:
        return "INT8", 0
    bits = values.get("bits")
    if isinstance(bits, int) and bits in {2, 3, 4, 8}:
        return f"{method} {bits}-bit".strip(), bits
    return method, 4 if method == "MXFP4" else 0


def unpacked(types: Counter[str], bits: int) -> int:
    return sum(
        count * PACKED_BITS[name] // bits if bits and name in PACKED_BITS else count for name, count in types.items()
    )


def licence_of(card: Path) -> str:
    """What the first lines of the model's card say; empty when they say nothing."""
    try:
        with card.open("rb") as file:
            text = file.read(MAX_CARD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    beginning = FRONT_MATTER.match(text)
    said = LICENCE.search(beginning[1]) if beginning else None
    return said[1] if said else ""


def has_chat_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    try:
        with (folder / "tokenizer_config.json").open("rb") as file:
            return b'"chat_template"' in file.read(MAX_JSON_BYTES)
    except OSError:
        return False


def shape_of(config: Values, parameters: int) -> ModelShape:
    """Multimodal models keep their language model's numbers one level down."""
    text = config.get("text_config")
    values = cast(Values, text) if isinstance(text, dict) else config

    def number(*names: str) -> int:
        found = (values.get(name) for name in names)
        return next((value for value in found if isinstance(value, int) and 0 < value < 2**40), 0)

    heads, layers = number("num_attention_heads", "n_head"), number("num_hidden_layers", "n_layer")
    kv_heads = number("num_key_value_heads") or heads
    embedding_length = number("hidden_size", "n_embd")
    head_length = number("head_dim") or (embedding_length // heads if heads else 0)
    return ModelShape(
        architecture=str(values.get("model_type", ""))[:100],
        parameters=parameters,
        layers=layers,
        kv_heads=kv_heads,
        key_length=head_length,
        value_length=head_length,
        context_length=number("max_position_embeddings", "n_positions", "n_ctx"),
        heads=heads,
        embedding_length=embedding_length,
        feed_forward_length=number("intermediate_size", "n_inner", "ffn_dim"),
        vocabulary=number("vocab_size"),
        sliding_window=number("sliding_window") if values.get("use_sliding_window") is not False else 0,
        state_size=number("state_size", "mamba_d_state"),
        kv_values=attention_layers(values) * kv_heads * 2 * head_length,
        tied_embeddings=bool(values.get("tie_word_embeddings", config.get("tie_word_embeddings", True))),
        experts=number("num_local_experts", "num_experts", "n_routed_experts"),
        active_experts=number("num_experts_per_tok", "num_experts_per_token"),
    )


def attention_layers(config: Values) -> int:
    """How many layers keep keys and values, where the config tells layers of several kinds apart; else 0."""
    kinds = config.get("layer_types")
    if not isinstance(kinds, list):
        return 0
    listed = [str(kind) for kind in cast(list[Any], kinds)]
    return sum(kind.endswith("_attention") and kind != "linear_attention" for kind in listed)


def read_json(path: Path, limit_bytes: int) -> Values:
    if path.stat().st_size > limit_bytes:
        raise ModelError(f"{path.name} is larger than {limit_bytes // 2**20} MiB, which is the limit.")
    return parse(path.read_bytes(), path.name)


def parse(content: bytes, name: str) -> Values:
    try:
        values: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is damaged: it is not valid JSON.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{name} is damaged: it holds no object.")
    return cast(Values, values)
