"""A model's linear layers, known from the headers of its files: which of them an adapter can be put on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modules.types.local_model import ModelShape

ALL_LINEAR = "all-linear"
WEIGHT = ".weight"
# Tables and heads, by the names that models give them. An adapter on all linear layers leaves them as they are.
TABLES = frozenset({
    "embed_tokens", "tok_embeddings", "word_embeddings", "wte", "wpe", "embed_in", "embed_positions", "embeddings",
    "embedding", "lm_head", "embed_out", "output", "score",
})  # fmt: skip
# The layers of a mixture's experts lie together in one block of numbers once the model is loaded, which no adapter is
# put on here; nor on what lies beside them, for peft takes it for a part of them.
EXPERTS = ".experts."


@dataclass(frozen=True)
class LinearLayer:
    """`name` as in the model; of some kinds of models inputs and outputs are stored the other way round."""

    name: str
    inputs: int
    outputs: int

    @property
    def parameters(self) -> int:
        return self.inputs * self.outputs

    @property
    def kind(self) -> str:
        """The end of its name, by which an adapter finds it: q_proj."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Anatomy:
    """A model as far as its training depends on it. `linears` are those that an adapter can be put on."""

    shape: ModelShape
    linears: tuple[LinearLayer, ...]

    @property
    def table_parameters(self) -> int:
        """Of embeddings and head."""
        tables = 1 if self.shape.tied_embeddings else 2
        return tables * self.shape.vocabulary * self.shape.embedding_length

    @property
    def body_parameters(self) -> int:
        return max(self.shape.parameters - self.table_parameters, 0)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({layer.kind for layer in self.linears}))


def anatomy_of(shape: ModelShape, shapes: Mapping[str, Sequence[int]]) -> Anatomy:
    """`shapes` are of all tensors in the model's files."""
    return Anatomy(shape, tuple(linear_layers(shapes)))


def linear_layers(shapes: Mapping[str, Sequence[int]]) -> Iterable[LinearLayer]:
    blocks = expert_blocks(shapes)
    for name, shape in shapes.items():
        layer = LinearLayer(name.removesuffix(WEIGHT), shape[-1], shape[0]) if len(shape) == 2 else None
        if layer and name.endswith(WEIGHT) and layer.kind not in TABLES and blocks.isdisjoint(name.split(".")):
            yield layer


def expert_blocks(names: Iterable[str]) -> set[str]:
    """What the blocks are called that hold experts: block_sparse_moe."""
    return {name.partition(EXPERTS)[0].rpartition(".")[2] for name in names if EXPERTS in name}


def targeted(layers: Sequence[LinearLayer], targets: Sequence[str]) -> tuple[LinearLayer, ...]:
    """Those that an adapter is put on: all, or those whose names end so."""
    return tuple(layer for layer in layers if any(is_target(layer, target) for target in targets))


def is_target(layer: LinearLayer, target: str) -> bool:
    return target in {ALL_LINEAR, layer.name} or layer.name.endswith("." + target)


def unmatched(layers: Sequence[LinearLayer], targets: Sequence[str]) -> list[str]:
    """Targets that no layer answers to."""
    return [target for target in targets if not any(is_target(layer, target) for layer in layers)]
