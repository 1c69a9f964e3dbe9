"""Writing in passes of fixed shapes: a GPU captures each once as a CUDA graph and replays it, with no Python between.

Shapes are rounded up to a few, so that there is a handful of graphs instead of one for each length.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from modules.engines.hf.rows import RowCache, Window
from modules.engines.protocol import Report

ROWS = (1, 2, 4, 8, 16, 32, 64)
# Tokens a row: one, or one and what was guessed.
WIDTHS = (1, 3, 5, 9, 17, 33)
SHORTEST = 256

# (ids, places, cache, length, tokens to keep logits of) -> logits; hides what lies behind each place.
Forward = Callable[[Tensor, Tensor, RowCache, int, int], Tensor]


class Shape(NamedTuple):
    rows: int
    width: int
    length: int

    @classmethod
    def around(cls, rows: int, width: int, length: int) -> "Shape":
        """The smallest shape of ours that holds this one."""
        return cls(
            next(size for size in ROWS if size >= rows),
            next(size for size in WIDTHS if size >= width),
            max(SHORTEST, 1 << (length - 1).bit_length()),
        )


class FixedPass:
    """A forward pass of one shape, computed as it stands. Tensors keep their places in memory."""

    def __init__(self, forward: Forward, cache: RowCache, shape: Shape, device: torch.device) -> None:
        self._forward = forward
        self._cache = cache
        self._shape = shape
        self._given = torch.zeros(4, shape.rows, shape.width, dtype=torch.long, device=device)
        # Where keys and values go: rows that hold no request write into the spare row, which nobody reads.
        self._ids, self._places, self._each, self._at = self._given
        self._each.fill_(cache.spare)

    def run(self, ids: Tensor, places: Tensor, starts: list[int]) -> Tensor:
        """ids and places [rows, width], of no more rows than the shape has; returns [rows, width, vocabulary]."""
        rows, width = ids.shape
        given = torch.zeros(4, self._shape.rows, width, dtype=torch.long)
        given[0, :rows], given[1, :rows] = ids, places
        given[2] = self._cache.spare
        given[2, :rows] = torch.arange(rows)[:, None]
        given[3] = torch.arange(width)
        given[3, :rows] += torch.tensor(starts)[:, None]
        # In one piece: each copy to a GPU takes its time, however small.
        self._given.copy_(given)
        return self._result()[:rows]

    def _result(self) -> Tensor:
        return self._compute()

    def _compute(self) -> Tensor:
        rows, width, length = self._shape
        self._cache.open(Window(0, [length - width] * rows, width), (self._each, self._at))
        return self._forward(self._ids, self._places, self._cache, length, width)


class NotCapturableError(Exception):
    """The pass asks the GPU in between how to go on, which no graph can: int8 does, and some mixtures of experts."""


class CapturedPass(FixedPass):
    """The same as a CUDA graph. Raises NotCapturableError."""

    def __init__(self, forward: Forward, cache: RowCache, shape: Shape, device: torch.device) -> None:
        super().__init__(forward, cache, shape, device)
        # Libraries set themselves up in the first passes, which must not be part of the graph.
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self._compute()
            # To find out while capturing would leave the allocator and the stream in disorder.
            with waiting_refused():
                self._compute()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = self._compute()

    def _result(self) -> Tensor:
        self._graph.replay()
        return self._logits


class FixedPasses:
    """One pass for each shape that was needed, made when it is."""

    def __init__(self, kind: type[FixedPass], forward: Forward, cache: RowCache, device: torch.device) -> None:
        self._kind = kind
        self._forward = forward
        self._cache = cache
        self._device = device
        self._capacity = 0
        self._passes: dict[Shape, FixedPass] = {}

    def run(self, ids: Tensor, places: Tensor, starts: list[int]) -> Tensor:
        """ids and places [rows, width] as `Shape.around` widens them; `starts` are the rows' first places."""
        rows, width = ids.shape
        return self._of(Shape.around(rows, width, max(starts) + width)).run(ids, places, starts)

    def warm_up(self, rows: int, report: Report) -> None:
        """Make the passes of short texts, for every number of rows."""
        sizes = [size for size in ROWS if size < 2 * rows]
        for done, size in enumerate(sizes):
            report(done / len(sizes), f"preparing the GPU for {size} at once")
            self._of(Shape.around(size, 1, 1))

    def _of(self, shape: Shape) -> FixedPass:
        self._cache.reserve(shape.length)
        if self._cache.capacity != self._capacity:
            # The buffers have moved, and the graphs know only their old addresses.
            self._passes.clear()
            self._capacity = self._cache.capacity
        if shape not in self._passes:
            self._passes[shape] = self._make(shape)
        return self._passes[shape]

    def _make(self, shape: Shape) -> FixedPass:
        try:
            return self._kind(self._forward, self._cache, shape, self._device)
        except NotCapturableError:
            self._kind = FixedPass
            return self._make(shape)


def pass_kind(device: torch.device) -> type[FixedPass] | None:
    """How a device computes fixed shapes; None where they would only cost."""
    return CapturedPass if device.type == "cuda" else None


@contextmanager
def waiting_refused() -> Generator[None]:
    """Raises NotCapturableError where something waits for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if "synchronizing CUDA operation" not in str(error):
            raise
        raise NotCapturableError from error
    finally:
        torch.cuda.set_sync_debug_mode("default")
