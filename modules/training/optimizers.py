"""From gradients to changed weights: the optimizers, the learning rate, and their state as files."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import torch as safetensors_torch
from torch import Tensor, nn

from modules.errors import TrainingError
from modules.training.methods import Learner
from modules.types.recipes import Recipe

TENSORS = "optimizer.safetensors"
NUMBERS = "optimizer.json"
MOMENTUM = 0.9
# Typed only in parts.
files: Any = safetensors_torch


class Optimization:
    """The weights that are learned, their gradients, and the optimizer of the recipe."""

    def __init__(self, recipe: Recipe, learner: Learner) -> None:
        self._recipe = recipe
        weights = list(learner.learned.values())
        # An adapter is hundreds of small matrices, whose bookkeeping takes 20 ms a step; as one vector it takes 1.
        # Adafactor looks at their shapes, and a whole model must not be there twice.
        is_flat = learner.peft is not None and recipe.optimizer != "adafactor"
        self._weights = [flattened(weights)] if is_flat else weights
        self._optimizer = make_optimizer(recipe, self._weights)

    @property
    def gradients(self) -> list[Tensor]:
        """Of all that is learned; zeros where there were none yet."""
        for weights in self._weights:
            if weights.grad is None:
                weights.grad = torch.zeros_like(weights)
        return [weights.grad for weights in self._weights if weights.grad is not None]

    def gradient_norm(self) -> float:
        """As it was; longer ones than the recipe allows are shortened."""
        longest = self._recipe.max_gradient_norm or math.inf
        return float(nn.utils.clip_grad_norm_(self._weights, longest))

    def step(self, rate: float) -> None:
        """Change the weights and forget the gradients."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        for gradient in self.gradients:
            gradient.zero_()

    @property
    def size_bytes(self) -> int:
        states: Any = self._optimizer.state.values()
        return sum(value.nbytes for state in states for value in state.values() if isinstance(value, Tensor))

    def save(self, folder: Path) -> None:
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, float] = {}
        for index, weights in enumerate(self._weights):
            for key, value in self._optimizer.state[weights].items():
                if isinstance(value, Tensor):
                    tensors[f"{index}.{key}"] = value.contiguous()
                else:
                    numbers[f"{index}.{key}"] = value
        files.save_file(tensors, folder / TENSORS)
        (folder / NUMBERS).write_text(json.dumps(numbers), encoding="utf-8")

    def load(self, folder: Path) -> None:
        tensors = files.load_file(folder / TENSORS, device=str(self._weights[0].device))
        numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        for name, value in {**tensors, **numbers}.items():
            index, _, key = name.partition(".")
            self._optimizer.state[self._weights[int(index)]][key] = value


def flattened(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One vector of which all become views, and so do their gradients."""
    flat = nn.Parameter(torch.cat([weights.detach().flatten() for weights in parameters]))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for weights in parameters:
        place = slice(start, start + weights.numel())
        weights.data = flat.data[place].view_as(weights)
        weights.grad = flat.grad[place].view_as(weights)
        start = place.stop
    return flat


def make_optimizer(recipe: Recipe, weights: list[nn.Parameter]) -> Any:
    """Rates are set step by step."""
    decay = recipe.weight_decay
    match recipe.optimizer or "adamw":
        case "adamw":
            return torch.optim.AdamW(weights, lr=0.0, weight_decay=decay, fused=True)
        case "adamw_8bit":
            return eight_bit(weights, decay)
        case "adafactor":
            # Its own rates are shares of a matrix's size, by which one that begins at zero would hardly move.
            return torch.optim.Adafactor(weights, lr=0.0, eps=(None, 1.0), weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(weights, lr=0.0, momentum=MOMENTUM, weight_decay=decay)


def eight_bit(weights: list[nn.Parameter], decay: float) -> Any:
    """Tried at once, as bitsandbytes finds out only at the first step whether it has kernels for this device."""
    try:
        from bitsandbytes import optim

        optimizers: Any = optim
        make = optimizers.AdamW8bit
        trial = torch.nn.Parameter(torch.ones(8192, device=weights[0].device))
        trial.grad = torch.ones_like(trial)
        make([trial], lr=0.1).step()
    except (ImportError, RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        raise TrainingError(
            f"bitsandbytes has no 8-bit optimizer for this device ({str(error)[:200]}). Choose the optimizer adamw or "
            "adafactor."
        ) from error
    return make(weights, lr=0.0, weight_decay=decay)


def learning_rate(recipe: Recipe, step: int, total_steps: int) -> float:
    """Of a step, counted from 1: rises to the recipe's during the warm-up, then falls to zero behind the last one."""
    peak = recipe.learning_rate or 2e-4
    warmup = math.ceil(recipe.warmup_share * total_steps) if recipe.warmup_share else 0
    if step <= warmup:
        return peak * step / warmup
    gone = (step - 1 - warmup) / max(1, total_steps - warmup)
    match recipe.schedule:
        case "constant":
            return peak
        case "linear":
            return peak * (1 - gone)
        case "cosine":
            return peak * (1 + math.cos(math.pi * gone)) / 2
