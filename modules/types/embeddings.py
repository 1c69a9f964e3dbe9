"""Texts as vectors: float32, little-endian, in base64, as they cross the worker's pipe and as OpenAI's clients ask."""

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Embeddings:
    """A vector of each text, all of one length, and the number of tokens that were read."""

    vectors: tuple[str, ...]
    tokens: int

    @property
    def dimensions(self) -> int:
        return len(b64decode(self.vectors[0])) // FLOAT_BYTES

    def shortened(self, dimensions: int) -> Self:
        """The first numbers of each, brought back to length 1."""
        return replace(self, vectors=tuple(encoded(of_length_1(decoded(one)[:dimensions])) for one in self.vectors))


def encoded(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


def decoded(vector: str) -> list[float]:
    content = b64decode(vector)
    return list(struct.unpack(f"<{len(content) // FLOAT_BYTES}f", content))


def of_length_1(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector
