"""What an adapter's weights add to a linear layer, whatever form the layer's own weights have."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from modules.adapter_files import LayerWeights
from modules.engines.hf.linears import Int4Linear, PackedLinear

# Columns of a layer's weights that are looked at together.
COLUMNS = 256


@dataclass(frozen=True)
class Delta:
    """For inputs x: `up @ down @ x`; with DoRA also `stretch * (W @ x)`, W being the layer's own weights.

    `down` [rank, inputs], `up` [outputs, rank] with the scaling in it, `stretch` and the layer's own `bias` [outputs].
    """

    down: Tensor
    up: Tensor
    stretch: Tensor | None
    bias: Tensor | None

    @property
    def size_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.down, self.up, self.stretch, self.bias) if tensor is not None)

    def __call__(self, inputs: Tensor, outputs: Tensor, weights: Tensor) -> Tensor:
        """To `inputs` [rows, ..., inputs], which the layer itself made `outputs`; `weights` [rows or 1, 1, ...]."""
        narrow = nn.functional.linear(inputs, self.down) * weights
        added = nn.functional.linear(narrow.to(self.up.dtype), self.up)
        if self.stretch is None:
            return added
        own = outputs if self.bias is None else outputs - self.bias
        return added + (self.stretch * own * weights).to(added.dtype)


def features(layer: nn.Module | None) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear layer; None for anything else. bitsandbytes' layers are nn.Linear too."""
    sizes: Any = layer
    if isinstance(layer, nn.Linear | PackedLinear | Int4Linear):
        return sizes.in_features, sizes.out_features
    return (sizes.nx, sizes.nf) if isinstance(layer, Conv1D) else None


def make_delta(layer: nn.Module, weights: LayerWeights, dtype: torch.dtype, device: torch.device) -> Delta:
    """`layer` takes inputs of `dtype` on `device` and may answer on another; shapes have been checked."""
    bias = layer(torch.zeros(1, weights.down.shape[1], dtype=dtype, device=device))[0]
    place = bias.device
    down, up = weights.down.to(place, torch.float32), weights.up.to(place, torch.float32) * weights.scaling
    if weights.magnitude is None:
        return Delta(down.to(bias.dtype), up.to(bias.dtype), None, None)
    norms = row_norms(layer, bias, down, up, device)
    ratio = weights.magnitude.to(place, torch.float32) / norms
    return Delta(
        down.to(bias.dtype),
        (ratio[:, None] * up).to(bias.dtype),
        (ratio - 1).to(bias.dtype),
        bias if bias.any() else None,
    )


def row_norms(layer: nn.Module, bias: Tensor, down: Tensor, up: Tensor, device: torch.device) -> Tensor:
    """Of W + up @ down, [outputs] in float32: DoRA's norm, https://arxiv.org/abs/2402.09353, equation 5.

    Inputs with a single 1 make the layer say its weights, however it keeps them.
    """
    squares = torch.zeros_like(bias, dtype=torch.float32)
    inputs = down.shape[1]
    for first in range(0, inputs, COLUMNS):
        columns = slice(first, min(first + COLUMNS, inputs))
        ones = torch.zeros(columns.stop - first, inputs, dtype=bias.dtype, device=device)
        ones[:, columns].fill_diagonal_(1)
        own = layer(ones).float() - bias.float()
        squares += (own + down[:, columns].T @ up.T).square().sum(0)
    return squares.sqrt()
