"""Keys and values of the requests that are being answered: a buffer per layer, in which each request has a row."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from modules.engines.hf.footprint import grown

# Of each layer: keys and values of one request, each [kv_heads, tokens, head_dim].
States = list[tuple[Tensor, Tensor]]

# Rows [batch, 1 or new] and places [batch, new] of the new states.
Scatter = tuple[Tensor, Tensor]


@dataclass
class Window:
    """What the next forward pass works on: `starts[i]` is the place of row `first + i`'s first new token."""

    first: int
    starts: list[int]
    new_tokens: int

    @property
    def rows(self) -> int:
        return len(self.starts)

    @property
    def length(self) -> int:
        """Tokens that the longest of these rows holds after the pass."""
        return max(self.starts) + self.new_tokens


class RowLayer(CacheLayerMixin):
    """keys and values: [rows, kv_heads, capacity, head_dim], made when the first states show their shape."""

    def __init__(self, cache: "RowCache") -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._cache = cache

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys = self._buffer(key_states)
        self.values = self._buffer(value_states)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """[batch, kv_heads, new, head_dim] to all that these rows hold, [batch, kv_heads, length, head_dim].

        Rows that hold less than the longest return leftovers at their end, which the mask hides.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        window = self._cache.window
        rows = slice(window.first, window.first + window.rows)
        if self._cache.scatter is None:
            places = slice(window.starts[0], window.starts[0] + window.new_tokens)
            self.keys[window.first, :, places] = key_states[0]
            self.values[window.first, :, places] = value_states[0]
        else:
            each, at = self._cache.scatter
            self.keys[each, :, at] = key_states.transpose(1, 2)
            self.values[each, :, at] = value_states.transpose(1, 2)
        return self.keys[rows, :, : window.length], self.values[rows, :, : window.length]

    def grow(self, capacity: int) -> None:
        if self.keys is None or self.values is None:
            return
        self.keys, self.values = widened(self.keys, capacity), widened(self.values, capacity)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._cache.window.starts[0] + query_length, 0

    def get_seq_length(self) -> int:
        return self._cache.window.starts[0]

    def get_max_length(self) -> int:
        return -1

    def _buffer(self, states: Tensor) -> Tensor:
        _, heads, _, head_dim = states.shape
        return states.new_zeros(self._cache.rows, heads, self._cache.capacity, head_dim)


class RowCache(Cache):
    """Rows in use lie side by side from row 0, so that a batch is a view and nothing is copied per token."""

    def __init__(self, layers: int, rows: int) -> None:
        self.rows = rows
        self.capacity = 0
        self.window = Window(0, [0], 0)
        self.scatter: Scatter | None = None
        self._rows: list[RowLayer] = [RowLayer(self) for _ in range(layers)]
        super().__init__(layers=list(self._rows))

    @property
    def spare(self) -> int:
        """A row for what nobody reads, where passes of fixed shapes are used."""
        return self.rows - 1

    def reserve(self, length: int) -> None:
        """Make room for that many tokens a row."""
        if length > self.capacity:
            self.capacity = grown(self.capacity, length)
            for layer in self._rows:
                layer.grow(self.capacity)

    def open(self, window: Window, scatter: Scatter | None = None) -> None:
        """Say what the next forward pass works on; `scatter` is where it writes, if not simply one after the other."""
        self.reserve(window.length)
        self.window = window
        if scatter is None and window.rows > 1:
            scatter = (
                torch.arange(window.first, window.first + window.rows)[:, None],
                torch.tensor(window.starts)[:, None] + torch.arange(window.new_tokens),
            )
        self.scatter = scatter

    def take_out(self, row: int, tokens: int) -> States:
        """A copy of a row's first `tokens` places."""
        states: States = []
        for layer in self._rows:
            assert layer.keys is not None
            assert layer.values is not None
            states.append((layer.keys[row, :, :tokens].clone(), layer.values[row, :, :tokens].clone()))
        return states

    def put_in(self, row: int, states: States, tokens: int) -> None:
        """Fill a row's first `tokens` places; the layers have been used before, or there would be no states."""
        self.open(Window(row, [0], tokens))
        for layer, (keys, values) in zip(self._rows, states, strict=True):
            assert layer.keys is not None
            assert layer.values is not None
            layer.keys[row, :, :tokens] = keys[:, :tokens]
            layer.values[row, :, :tokens] = values[:, :tokens]

    def move(self, source: int, target: int, tokens: int) -> None:
        for layer in self._rows:
            if layer.keys is not None and layer.values is not None:
                layer.keys[target, :, :tokens] = layer.keys[source, :, :tokens]
                layer.values[target, :, :tokens] = layer.values[source, :, :tokens]


def widened(buffer: Tensor, capacity: int) -> Tensor:
    rows, heads, old, head_dim = buffer.shape
    wide = buffer.new_zeros(rows, heads, capacity, head_dim)
    wide[:, :, :old] = buffer
    return wide
