"""A LoRA as a GGUF file that llama.cpp puts on a model."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from torch import Tensor

from modules.adapter_files import AdapterWeights
from modules.errors import BadRequest
from modules.training.export.architectures import ARCHITECTURES, Architecture


@dataclass(frozen=True)
class GgufShape:
    """What a GGUF model's header says that its adapters depend on; `architecture` is llama.cpp's word."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int


def write_adapter(adapter: AdapterWeights, shape: GgufShape, target: Path) -> None:
    """Raises BadRequest for what llama.cpp cannot apply to such a model."""
    architecture = architecture_named(shape.architecture)
    names = architecture.tensor_names(shape.layers)
    config = {"num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads}
    alpha = common_alpha(adapter)
    writer: Any = gguf.GGUFWriter(target, shape.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for layer, weights in adapter.layers.items():
        if weights.magnitude is not None:
            raise BadRequest(
                "llama.cpp applies no DoRA adapters. Export the merged model as GGUF, or use the transformers engine.",
                field="name",
            )
        name: str | None = names.get_name(f"{layer}.weight", try_suffixes=(".weight",))
        if name is None:
            raise BadRequest(
                f"The adapter does not fit this model: a {shape.architecture} model has no {layer[:200]}.", field="name"
            )
        rank = weights.down.shape[0]
        # llama.cpp scales every layer by alpha / rank, so what a layer's own scaling differs by goes into it.
        up = weights.up.float() * (weights.scaling * rank / alpha)
        up = rows_as_in(architecture, layer, up, config)
        writer.add_tensor(f"{name}.lora_a", weights.down.float().contiguous().numpy())
        writer.add_tensor(f"{name}.lora_b", up.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def architecture_named(name: str) -> Architecture:
    for architecture in ARCHITECTURES.values():
        if architecture.name == name:
            return architecture
    known = ", ".join(sorted({architecture.name for architecture in ARCHITECTURES.values()}))
    raise BadRequest(
        f"Adapters cannot be put on a GGUF model of the architecture {name or 'unknown'}. These can: {known}.",
        field="name",
    )


def common_alpha(adapter: AdapterWeights) -> float:
    first = next(iter(adapter.layers.values()))
    return (first.scaling * first.down.shape[0]) or 1.0


def rows_as_in(architecture: Architecture, layer: str, up: Tensor, config: Mapping[str, Any]) -> Tensor:
    """[outputs, rank] in the order of the GGUF model's rows; GPT-2's are turned already, as LoRA has them."""
    return up if architecture.name == "gpt2" else architecture.lay_out(f"{layer}.weight", up, config)
