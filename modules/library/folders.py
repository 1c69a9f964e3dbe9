"""What a folder in Hugging Face format says of itself: its config and the headers of its safetensors files.

Nothing of it is executed and no weights are read. Format: https://github.com/huggingface/safetensors#format.
"""

import json
import struct
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
# Weights that are programs: loading one may run anything.
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")

Values = dict[str, Any]


@dataclass(frozen=True)
class ModelFolder:
    """`weights` are the safetensors files the model consists of."""

    shape: ModelShape
    weights: tuple[Path, ...]
    size_bytes: int


def is_model_folder(folder: Path) -> bool:
    """Whether it claims to hold a model: a config beside weights of any format."""
    return (folder / CONFIG).is_file() and any(
        next(folder.glob(pattern), None) is not None for pattern in ("*.safetensors", *PICKLED)
    )


def read_model_folder(folder: Path) -> ModelFolder:
    """Raises ModelError when weights are missing, damaged or pickled."""
    config = read_json(folder / CONFIG, MAX_JSON_BYTES)
    weights = weight_files(folder)
    parameters = sum(count_parameters(path) for path in weights)
    size_bytes = sum(path.stat().st_size for path in weights)
    return ModelFolder(shape_of(config, parameters), tuple(weights), size_bytes)


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
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise ModelError(
            "Its weights are pickled, a format that may run any program when it is loaded. "
            "Look for a safetensors version of this model."
        )
    return found


def count_parameters(path: Path) -> int:
    """Number of values in a safetensors file; checks that all its tensors lie inside it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        beginning = file.read(8)
        length = struct.unpack("<Q", beginning)[0] if len(beginning) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise ModelError(f"{path.name} is damaged or cut short. Download it again.")
        header = parse(file.read(length), path.name)
    parameters = end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            parameters += prod(int(length) for length in entry["shape"])
            end = max(end, int(entry["data_offsets"][1]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"{path.name} is damaged: its tensor {name[:80]!r} is not described.") from error
    if 8 + length + end > size:
        raise ModelError(f"{path.name} is cut short: {8 + length + end:,} bytes are needed, it has {size:,}.")
    return parameters


def shape_of(config: Values, parameters: int) -> ModelShape:
    """Multimodal models keep their language model's numbers one level down."""
    text = config.get("text_config")
    values = cast(Values, text) if isinstance(text, dict) else config

    def number(*names: str) -> int:
        found = (values.get(name) for name in names)
        return next((value for value in found if isinstance(value, int) and 0 < value < 2**40), 0)

    heads = number("num_attention_heads", "n_head")
    head_length = number("head_dim") or (number("hidden_size", "n_embd") // heads if heads else 0)
    return ModelShape(
        architecture=str(values.get("model_type", ""))[:100],
        parameters=parameters,
        layers=number("num_hidden_layers", "n_layer"),
        kv_heads=number("num_key_value_heads") or heads,
        key_length=head_length,
        value_length=head_length,
        context_length=number("max_position_embeddings", "n_positions", "n_ctx"),
    )


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
