"""A model that the program can name."""

from pathlib import Path

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """What a header says that memory and speed depend on. Counts; 0 means the header does not say."""

    architecture: str = ""
    parameters: int = 0
    layers: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    context_length: int = 0

    def kv_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Key and value cache of one token over all layers, in bytes."""
        return self.layers * self.kv_heads * (self.key_length + self.value_length) * bytes_per_value


@dataclass(frozen=True)
class LocalModel:
    """`id` is what people and /v1/models call it; `path` is None for an engine that needs no file.

    `problem` says why a damaged file cannot be loaded; it is empty for a sound one.
    """

    id: str
    title: str
    format: str
    path: Path | None = None
    size_bytes: int = 0
    created: float = 0.0
    shape: ModelShape = ModelShape()
    problem: str = ""
