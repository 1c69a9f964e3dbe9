"""What a model will need and give on this machine, told before it is loaded."""

from dataclasses import dataclass
from typing import Literal

Fit = Literal["gpu", "partly", "cpu", "no"]


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a worker takes at most, until one prompt has filled its context, beyond an empty one of its engine.

    `cache_bytes` are keys and values, `compute_bytes` the engine's buffers; `growing_bytes` of the total come only as
    a text grows. `later_bytes` are not in the total: prompts of past conversations may take them in the course of time.
    `gpu_bytes` is the share of the total that lies on graphics cards.
    """

    weights_bytes: int
    cache_bytes: int = 0
    compute_bytes: int = 0
    gpu_bytes: int = 0
    context_length: int = 0
    slots: int = 0
    later_bytes: int = 0
    growing_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.cache_bytes + self.compute_bytes

    def bytes_after(self, tokens: int) -> int:
        """The total as far as it is taken when the longest text so far had that many tokens."""
        missing = 1 - min(tokens / self.context_length, 1.0) if self.context_length else 0.0
        return self.total_bytes - int(self.growing_bytes * missing)


@dataclass(frozen=True)
class TokenCost:
    """What a token of one stream costs: bytes read, at this share of the memory's bandwidth, and seconds besides.

    `variant` names how the weights are kept, which past runs are compared by.
    """

    variant: str
    read_bytes: int
    efficiency: float
    overhead_seconds: float

    def tokens_per_second(self, bandwidth: float) -> float:
        return 1 / (self.read_bytes / (bandwidth * self.efficiency) + self.overhead_seconds)


@dataclass(frozen=True)
class Range:
    """A figure with its error band: the truth is expected between `low` and `high`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """`memory` in bytes, `tokens_per_second` of one stream; None where nothing can be said.

    `fit` is where the model would run. `note` is a sentence for people, empty when there is nothing to add. The memory
    includes `worker_bytes`, which a worker without a model takes.
    """

    parts: MemoryEstimate
    memory: Range
    tokens_per_second: Range | None
    fit: Fit
    free_bytes: int
    note: str = ""
    worker_bytes: int = 0
