"""Adapters on a loaded model: each row of a pass gets what its own mix adds, next to rows that get nothing."""

import itertools
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from modules.adapter_files import AdapterWeights
from modules.engines.adapters import unknown_adapter
from modules.engines.hf.deltas import Delta, features, make_delta
from modules.errors import BadRequest, Busy
from modules.types.generation import AdapterUse

# Numbers of loaded adapters with their weights. A number is given once: an adapter loaded again is another one.
Mix = tuple[tuple[int, float], ...]
NO_ADAPTERS: Mix = ()


@dataclass(frozen=True)
class Share:
    """One adapter's part in a pass: the rows that use it, None for all of them, and how strongly each of them does."""

    deltas: Mapping[str, Delta]
    rows: Tensor | None
    weights: Tensor


class Adapters:
    """Everything happens on the thread that computes.

    Layers stay as they are: a hook on each layer that a loaded adapter targets changes what the layer said.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        """Linear layers of `model` take inputs of `dtype`; `device` is where token ids belong."""
        self._model = model
        self._dtype = dtype
        self._device = device
        self._numbers = itertools.count(1)
        self._loaded: dict[str, int] = {}
        self._deltas: dict[int, Mapping[str, Delta]] = {}
        self._vectors: dict[int, Tensor] = {}
        self._hooks: dict[str, RemovableHandle] = {}
        self._rows = self._width = 0
        self._pass: list[Share] = []

    def put(self, name: str, weights: AdapterWeights, running: Collection[Mix]) -> int:
        """Load an adapter, in the place of one of the same name; returns the bytes that it takes.

        Raises BadRequest when it does not fit the model, Busy when a running request uses the one of that name.
        """
        self._require_unused(name, running)
        deltas = {layer: self._delta(layer, weights) for layer in weights.layers}
        vectors = self._fitting_vectors(weights)
        if name in self._loaded:
            self._forget(self._loaded[name])
        number = self._loaded[name] = next(self._numbers)
        self._deltas[number] = deltas
        if vectors is not None:
            self._vectors[number] = vectors
        self._place_hooks()
        return sum(delta.size_bytes for delta in deltas.values()) + (vectors.nbytes if vectors is not None else 0)

    def remove(self, name: str, running: Collection[Mix]) -> None:
        """Raises BadRequest for an unknown name, Busy when a running request uses it."""
        if name not in self._loaded:
            raise unknown_adapter(name, self._loaded, field="name")
        self._require_unused(name, running)
        self._forget(self._loaded.pop(name))
        self._place_hooks()

    def mix(self, uses: Sequence[AdapterUse]) -> Mix:
        """The same for the same effect, in whatever order.

        Raises BadRequest for an unknown name, and where vectors in front of the prompt are weighed or are of two.
        """
        for use in uses:
            if use.name not in self._loaded:
                raise unknown_adapter(use.name, self._loaded, field="adapters")
        prompts = [use for use in uses if use.weight and self._loaded[use.name] in self._vectors]
        for use in prompts:
            if use.weight != 1 or len(prompts) > 1:
                raise BadRequest(
                    f"The adapter {use.name} is made of vectors in front of the prompt: it has the weight 1 or 0, and "
                    "no other of its kind can stand beside it.",
                    field="adapters",
                )
        return tuple(sorted((self._loaded[use.name], use.weight) for use in uses if use.weight))

    def vectors(self, mix: Mix) -> Tensor | None:
        """What stands in front of the prompt, [count, width]; None for most mixes."""
        return next((self._vectors[number] for number, _ in mix if number in self._vectors), None)

    @contextmanager
    def using(self, mixes: Sequence[Mix], width: int) -> Generator[None]:
        """A pass inside has these mixes, one a row of the batch, and `width` tokens in each row."""
        self._rows, self._width = len(mixes), width
        self._pass = self._shares(mixes)
        try:
            yield
        finally:
            self._pass = []

    def _shares(self, mixes: Sequence[Mix]) -> list[Share]:
        shares: list[Share] = []
        for number in sorted({number for mix in mixes for number, _ in mix}):
            weights = [dict(mix).get(number, 0.0) for mix in mixes]
            rows = [row for row, weight in enumerate(weights) if weight]
            is_common = len(set(weights)) == 1
            shares.append(
                Share(
                    self._deltas[number],
                    None if is_common else torch.tensor(rows, device=self._device),
                    torch.tensor(weights[0] if is_common else [weights[row] for row in rows], device=self._device),
                )
            )
        return shares

    def _apply(self, layer: str, _module: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> Tensor:
        """The hook: what the layer said to its inputs, with what the adapters add to it."""
        added: list[tuple[Share, Tensor]] = []
        for share in self._pass:
            if (delta := share.deltas.get(layer)) is not None:
                given, said = self._part(share, inputs[0]), self._part(share, outputs)
                weights = share.weights.to(given.device).view(-1, *[1] * (given.ndim - 1))
                added.append((share, delta(given, said, weights)))
        # Only now, as DoRA depends on what the layer itself said.
        for share, change in added:
            if share.rows is None:
                outputs += change
            else:
                self._by_row(outputs).index_add_(0, share.rows.to(outputs.device), change)
        return outputs

    def _part(self, share: Share, values: Tensor) -> Tensor:
        return values if share.rows is None else self._by_row(values)[share.rows.to(values.device)]

    def _by_row(self, values: Tensor) -> Tensor:
        """A view of [rows, ...]; some layers are given the tokens of all rows in one line."""
        if values.ndim > 2:
            return values
        # Experts, for one, may see some tokens only, and nobody could say whose.
        assert values.shape[0] == self._rows * self._width, "requests with different adapters cannot share this layer"
        return values.view(self._rows, self._width, -1)

    def _delta(self, layer: str, weights: AdapterWeights) -> Delta:
        try:
            module = self._model.get_submodule(layer)
        except AttributeError:
            raise misfit(weights, f"there is no layer {layer[:200]} in it") from None
        trained = weights.layers[layer]
        check_fit(weights, layer, module)
        return make_delta(module, trained, self._dtype, self._device)

    def _fitting_vectors(self, weights: AdapterWeights) -> Tensor | None:
        """Raises BadRequest when they are not as wide as the model's own."""
        vectors = weights.vectors
        if vectors is None:
            return None
        embeddings: Any = self._model
        width: int = embeddings.get_input_embeddings().weight.shape[1]
        if vectors.shape[1] != width:
            raise misfit(weights, f"its vectors have {width} values, the adapter's {vectors.shape[1]}")
        if not vectors.isfinite().all():
            raise BadRequest("The adapter is damaged: its vectors are not all finite numbers.", field="name")
        return vectors.to(self._device, self._dtype)

    def _forget(self, number: int) -> None:
        del self._deltas[number]
        self._vectors.pop(number, None)

    def _place_hooks(self) -> None:
        """On the layers that any loaded adapter targets, and on no others."""
        targets = {layer for deltas in self._deltas.values() for layer in deltas}
        for layer in self._hooks.keys() - targets:
            self._hooks.pop(layer).remove()
        for layer in targets - self._hooks.keys():
            hook: Any = partial(self._apply, layer)
            self._hooks[layer] = self._model.get_submodule(layer).register_forward_hook(hook)

    def _require_unused(self, name: str, running: Collection[Mix]) -> None:
        number = self._loaded.get(name)
        users = sum(number in dict(mix) for mix in running)
        if users:
            raise Busy(f"The adapter {name} is used by {users} running requests. Wait for them, or stop them.")


def check_fit(weights: AdapterWeights, layer: str, module: nn.Module) -> None:
    sizes = features(module)
    if sizes is None:
        raise misfit(weights, f"its {layer} is no linear layer")
    trained = weights.layers[layer]
    wanted = (trained.down.shape[1], trained.up.shape[0])
    if wanted != sizes:
        shapes = f"{sizes[0]} to {sizes[1]} values, the adapter's {wanted[0]} to {wanted[1]}"
        raise misfit(weights, f"its {layer} goes from {shapes}")
    if trained.magnitude is not None and trained.magnitude.shape != sizes[1:]:
        raise misfit(weights, f"its {layer} has {sizes[1]} outputs, the adapter's magnitudes are another number")
    tensors = (trained.down, trained.up, trained.magnitude)
    if not all(tensor.isfinite().all() for tensor in tensors if tensor is not None):
        raise BadRequest(f"The adapter is damaged: its weights for {layer} are not all finite numbers.", field="name")


def misfit(weights: AdapterWeights, reason: str) -> BadRequest:
    return BadRequest(
        f"The adapter does not fit this model: {reason}. Load the model that it was trained on, {weights.base_model}.",
        field="name",
    )
