"""This machine, as far as memory and speed of models depend on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One graphics card that models can use; sizes in bytes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Machine:
    """`memory_bytes` is all of main memory, `available_bytes` what programs can have now.

    `bandwidth` is what all cores together read from main memory, in bytes a second; 0 as long as it was not measured.
    """

    cores: int
    memory_bytes: int
    available_bytes: int
    gpus: tuple[Gpu, ...] = ()
    bandwidth: float = 0.0

    @property
    def gpu_free_bytes(self) -> int:
        return sum(gpu.free_bytes for gpu in self.gpus)


@dataclass(frozen=True)
class ComputeRates:
    """How fast PyTorch multiplies matrices here, in floating point operations a second, by type of number."""

    on_gpu: bool
    bfloat16: float
    float32: float
