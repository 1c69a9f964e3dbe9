"""A model as one GGUF file, written tensor by tensor."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy

from modules.errors import ModelError
from modules.training.export.architectures import Architecture, Config, architecture_of, completed, layer_count
from modules.training.export.rope import rope_factors
from modules.training.export.tokenizer import read_tokenizer
from modules.training.export.weights import StoredWeights, read_config

Report = Callable[[float, str], None]
TYPES = gguf.GGMLQuantizationType
FILE_TYPES = {
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
    "Q4_1": gguf.LlamaFileType.MOSTLY_Q4_1,
}
HEAD, EMBEDDINGS, PLACES = "output.weight", "token_embd.weight", "position_embd.weight"
LARGEST_F16 = 65504.0
# Rows are quantized so many values at a time.
CHUNK_VALUES = 2**23


@dataclass(frozen=True)
class Entry:
    """A tensor on its way: its name in the folder and in the file, its shape there, and the type of its numbers."""

    source: str
    name: str
    shape: tuple[int, ...]
    type: Any


def write_gguf(folder: Path, target: Path, type_name: str, title: str, report: Report) -> None:
    """Raises ModelError for an architecture, a tokenizer or weights that cannot be written."""
    config = read_config(folder)
    architecture = architecture_of(config)
    config = completed(config)
    report(0.0, "reading the tokenizer")
    tokenizer = read_tokenizer(folder, config["vocab_size"])
    weights = StoredWeights(folder)
    entries = plan(architecture, config, weights, type_name)
    writer: Any = gguf.GGUFWriter(target, architecture.name)
    writer.add_type("model")
    writer.add_name(title)
    writer.add_file_type(FILE_TYPES[type_name])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    architecture.describe(writer, config)
    tokenizer.write(writer)
    factors = rope_factors(config)
    for name, values in factors.items():
        writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
    for entry in entries:
        shape = gguf.quant_shape_to_byte_shape(entry.shape, entry.type)
        size = int(numpy.prod(shape, dtype=numpy.int64))
        writer.add_tensor_info(entry.name, shape, numpy.dtype(numpy.uint8), size, raw_dtype=entry.type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for values in factors.values():
        writer.write_tensor_data(values)
    for done, entry in enumerate(entries):
        report(done / len(entries), "writing the weights")
        tensor = architecture.lay_out(entry.source, weights.read(entry.source), config)
        writer.write_tensor_data(quantized(tensor.float().contiguous().numpy(), entry))
    writer.close()
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def plan(architecture: Architecture, config: Config, weights: StoredWeights, type_name: str) -> list[Entry]:
    """What is written, in the order of the folder. Raises ModelError for a tensor that has no place in a GGUF file."""
    names = architecture.tensor_names(layer_count(config))
    is_tied = bool(config["tie_word_embeddings"])
    found: list[Entry] = []
    for source in (name for listed in weights.files.values() for name in listed):
        if source.endswith(architecture.skips) or (is_tied and source == "lm_head.weight"):
            continue
        name: str | None = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ModelError(f"The tensor {source[:200]} has no place in a GGUF file of a {architecture.name} model.")
        shape = weights.shape(source)
        # Only the shape is asked, which may be turned.
        if architecture.name == "gpt2" and source.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            shape = shape[::-1]
        found.append(Entry(source, name, shape, chosen_type(name, shape, type_name, is_tied=is_tied)))
    return found


def chosen_type(name: str, shape: tuple[int, ...], type_name: str, *, is_tied: bool) -> Any:
    """Vectors stay exact, and the head, whose errors nothing evens out, gets 8 bits where the others get 4."""
    if len(shape) < 2 or name == PLACES:
        return TYPES.F32
    chosen = TYPES[type_name]
    if type_name.startswith("Q4") and name == (EMBEDDINGS if is_tied else HEAD):
        chosen = TYPES.Q8_0
    block, _ = gguf.GGML_QUANT_SIZES[chosen]
    return chosen if shape[-1] % block == 0 else TYPES.F16


def quantized(values: Any, entry: Entry) -> Any:
    """float32 [rows, ...] to the bytes of its type, uint8 [rows, ...]."""
    if values.shape != entry.shape:
        raise ModelError(
            f"The tensor {entry.source[:200]} has the shape {list(values.shape)}, not {list(entry.shape)}."
        )
    if entry.type == TYPES.F16 and (abs(values) > LARGEST_F16).any():
        raise ModelError(f"{entry.source[:200]} holds numbers too large for F16. Choose BF16 or Q8_0.")
    if not numpy.isfinite(values).all():
        raise ModelError(f"{entry.source[:200]} holds numbers that are not finite: the training went wrong.")
    parts = [gguf.quants.quantize(part, entry.type).view(numpy.uint8) for part in chunks(values)]
    return numpy.concatenate(parts)


def chunks(values: Any) -> Iterator[Any]:
    """Rows together that are no more than a few million numbers."""
    rows = max(1, CHUNK_VALUES // max(values[0].size, 1)) if values.ndim > 1 else len(values)
    for first in range(0, len(values), rows):
        yield values[first : first + rows]
