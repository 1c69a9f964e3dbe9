"""A model that the program can name."""

from pathlib import Path

from pydantic.dataclasses import dataclass

from modules.types.remote import Endpoint


@dataclass(frozen=True)
class ModelShape:
    """What a header says that memory and speed depend on. Counts; 0 means the header does not say.

    `kv_heads` and lengths are of one layer; where layers differ, they are the largest, and `kv_values` counts the
    keys' and values' numbers of one token over all layers. `state_size` is a recurrent layer's for each channel.
    `tied_embeddings`: the head has no weights of its own. Of `experts` each token is computed by `active_experts`.
    """

    architecture: str = ""
    parameters: int = 0
    layers: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    context_length: int = 0
    heads: int = 0
    embedding_length: int = 0
    feed_forward_length: int = 0
    vocabulary: int = 0
    sliding_window: int = 0
    state_size: int = 0
    kv_values: int = 0
    experts: int = 0
    active_experts: int = 0
    tied_embeddings: bool = False

    def active_share(self) -> float:
        """Of the weights, those that compute a token: a mixture's experts are about nine tenths of it."""
        if not 0 < self.active_experts < self.experts:
            return 1.0
        return 0.1 + 0.9 * self.active_experts / self.experts

    def kv_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Key and value cache of one token over all layers, in bytes."""
        alike = self.layers * self.kv_heads * (self.key_length + self.value_length)
        return (self.kv_values or alike) * bytes_per_value


@dataclass(frozen=True)
class LocalModel:
    """`id` is what people and /v1/models call it; `path` is None for an engine that needs no file.

    `path` is a folder, a file, or the first of a split set; `files` are all its weights, `projector` reads images.
    `folder` is the models' folder it lies in, empty for the program's own; the files of a linked one lie anywhere.
    `endpoint` is known to the worker's copy of a remote model alone: it holds a key. `problem` says why a damaged file
    cannot be loaded; it is empty for a sound one.
    """

    id: str
    title: str
    format: str
    path: Path | None = None
    size_bytes: int = 0
    created: float = 0.0
    shape: ModelShape = ModelShape()
    problem: str = ""
    quantization: str = ""
    licence: str = ""
    has_chat_template: bool = False
    files: tuple[Path, ...] = ()
    projector: Path | None = None
    folder: str = ""
    is_linked: bool = False
    endpoint: Endpoint | None = None
