"""The tensors of a model's folder, one at a time: as they are stored, or with an adapter merged into them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from modules.adapter_files import AdapterWeights, LayerWeights
from modules.errors import ModelError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Models whose linear layers keep their weights as [inputs, outputs].
TURNED = frozenset({"gpt2", "openai-gpt"})


class Weights(Protocol):
    """Names lie in the files that `files` says; a tensor is read when it is asked for, and nothing is kept."""

    @property
    def files(self) -> Mapping[str, tuple[str, ...]]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def read(self, name: str) -> Tensor:
        """In whatever type of numbers it has. Raises ModelError for a damaged file."""
        ...


class StoredWeights:
    """Of a folder in Hugging Face format."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when there is nothing, or not all that the index names."""
        try:
            self._open = {name: opened(folder / name) for name in weight_files(folder)}
        except (OSError, SafetensorError, ValueError) as error:
            raise ModelError(f"The weights in {folder.name} cannot be read: {str(error)[:200]}.") from error
        self.files: Mapping[str, tuple[str, ...]] = {
            name: tuple(sorted(file.keys())) for name, file in self._open.items()
        }
        self._place = {name: file for file, names in self.files.items() for name in names}

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._open[self._place[name]].get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        try:
            return self._open[self._place[name]].get_tensor(name)
        except (OSError, SafetensorError, ValueError) as error:
            raise ModelError(f"The tensor {name[:200]} cannot be read: {str(error)[:200]}.") from error


class MergedWeights:
    """What an adapter was trained to make of a model's weights; sums are in float32."""

    def __init__(self, stored: StoredWeights, config: Mapping[str, Any], adapter: AdapterWeights) -> None:
        """Raises ModelError when the adapter does not fit the model of this config."""
        self._stored = stored
        self._is_turned = config.get("model_type") in TURNED
        self.files = stored.files
        names = {name for listed in stored.files.values() for name in listed}
        self._layers = {stored_name(layer, names): weights for layer, weights in adapter.layers.items()}
        for name, weights in self._layers.items():
            self._check(name, weights)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._stored.shape(name)

    def read(self, name: str) -> Tensor:
        tensor = self._stored.read(name)
        weights = self._layers.get(name)
        if weights is None:
            return tensor
        if self._turns(name):
            return merged(tensor.float().T, weights).T
        return merged(tensor.float(), weights)

    def _turns(self, name: str) -> bool:
        return self._is_turned and not name.startswith("lm_head")

    def _check(self, name: str, weights: LayerWeights) -> None:
        wanted = (weights.up.shape[0], weights.down.shape[1])
        shape = self.shape(name)
        if shape != (wanted[::-1] if self._turns(name) else wanted):
            raise ModelError(
                f"The adapter does not fit this model: {name} has the shape {list(shape)}, and the adapter was trained "
                f"on one from {wanted[1]} to {wanted[0]} values. Choose the model that it was trained on."
            )


def merged(own: Tensor, weights: LayerWeights) -> Tensor:
    """`own` [outputs, inputs] in float32 with the adapter in it; DoRA's equation 5 of arXiv 2402.09353."""
    result = own + weights.scaling * (weights.up.float() @ weights.down.float())
    if weights.magnitude is None:
        return result
    return result * (weights.magnitude.float() / result.square().sum(1).sqrt())[:, None]


def stored_name(layer: str, names: set[str]) -> str:
    """Some folders leave out, or put in, what comes before the first dot of a layer's name."""
    _, _, rest = layer.partition(".")
    for candidate in (layer, rest, f"model.{layer}", f"transformer.{layer}"):
        if f"{candidate}.weight" in names:
            return f"{candidate}.weight"
    tied = " It has no weights of its own there: they are those of its embeddings." if layer == "lm_head" else ""
    raise ModelError(f"The adapter does not fit this model, which stores no weights for {layer[:200]}.{tied}")


def weight_files(folder: Path) -> list[str]:
    if (folder / INDEX).is_file():
        placed: dict[str, str] = json.loads((folder / INDEX).read_bytes())["weight_map"]
        return sorted({Path(name).name for name in placed.values()})
    if (folder / SINGLE).is_file():
        return [SINGLE]
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if not found:
        raise ModelError(f"{folder.name} holds no weights as safetensors. Download the model again.")
    return found


def opened(path: Path) -> Any:
    return safe_open(path, framework="pt")


def read_config(folder: Path) -> dict[str, Any]:
    """A model's config. Raises ModelError, also for weights that are stored quantized."""
    try:
        values: Any = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"The config.json of {folder.name} cannot be read.") from error
    if not isinstance(values, dict):
        raise ModelError(f"The config.json of {folder.name} holds no object.")
    config = cast(dict[str, Any], values)
    if config.get("quantization_config"):
        raise ModelError(
            f"The weights of {folder.name} are stored quantized, so nothing can be merged into them or made of them. "
            "Take the model with its original weights."
        )
    return config


def as_bfloat16(tensor: Tensor) -> Tensor:
    return tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
