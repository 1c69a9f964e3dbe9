"""What a run takes, told before it starts and without torch: memory, time and disk, term by term."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from modules.training.layers import Anatomy, targeted
from modules.training.work import Pass, Work
from modules.types.recipes import BaseWeights, Method, OptimizerName, Recipe

MIB = 2**20
# Python with torch, transformers and peft loaded.
FIXED_BYTES = 700 * MIB
BITSANDBYTES_BYTES = 300 * MIB
# Bytes of a weight of the body; embeddings and head stay as they are stored, in 2.
WIDTHS: Mapping[BaseWeights, float] = {"bfloat16": 2, "float32": 4, "int8": 1.05, "nf4": 0.56}
FLOAT = 4
QUANTIZED = frozenset({"int8", "nf4"})
# What an optimizer keeps of a trained number, beside the number and its gradient, which take 4 bytes each.
STATE_BYTES: Mapping[OptimizerName, float] = {"adamw": 8, "adamw_8bit": 2.1, "adafactor": 0.1, "sgd": 4}
# Numbers kept for the backward pass, of one token in one layer, in units of its width: set by measured runs.
HIDDEN_KEPT = 14
INNER_KEPT = 3.5
# As a share of that: DoRA also keeps what it computes of the weights' lengths; without an adapter on them frozen layers
# need not keep what they read.
KEPT: Mapping[Method, float] = {"lora": 1, "rslora": 1, "dora": 2.9, "full": 1, "prompt_tuning": 0.65}
DORA_SLOWER = 1.6
# A layer that is computed again lies there with its gradients.
AGAIN = 3
# The loss is computed over chunks of logits, of which a few copies exist at once.
LOGITS_BYTES = 2 * 32 * MIB
# Of the speed at which a layer alone multiplies matrices, what is left within a step, by the width of a number.
EFFICIENCY = {2: 0.61, FLOAT: 0.62}
# Beside the products, of a layer in one pass, and of each adapter in it: small operations called from Python.
LAYER_SECONDS = 0.002
ADAPTER_SECONDS = 0.0024
# Of that, what a pass takes that only reads: nothing is kept for a way back.
FORWARD_SHARE = 1 / 6
# Of a number that is learned, in one change of the weights: what the optimizer reads and writes.
UPDATE_SECONDS = 13e-9
# Loading libraries and model.
START_SECONDS = 9.0
# Checkpoints and results, with their SHA-256.
WRITTEN_PER_SECOND = 250e6
DECODED_PER_SECOND = 15.0


@dataclass(frozen=True)
class Footprint:
    """`recipe` has nothing open but the steps between evaluations and checkpoints."""

    recipe: Recipe
    anatomy: Anatomy
    work: Work

    @property
    def memory_bytes(self) -> int:
        """Of the training process at most; with several, of each."""
        library = BITSANDBYTES_BYTES if self.recipe.base_weights in QUANTIZED else 0
        return int(
            FIXED_BYTES + library + self.weights_bytes + self.trained_bytes + self.activation_bytes + LOGITS_BYTES
        )

    @property
    def weights_bytes(self) -> float:
        if self.recipe.method == "full":
            # Float32 numbers, and the copies in 16 bits that are computed with.
            return (4 if self._width == FLOAT else 6) * self.anatomy.shape.parameters
        assert self.recipe.base_weights is not None
        width = WIDTHS[self.recipe.base_weights]
        tables = max(width, 2) * self.anatomy.table_parameters
        return self.anatomy.body_parameters * width + tables

    @property
    def trained_parameters(self) -> int:
        """Of the adapter, or of the model."""
        shape, recipe = self.anatomy.shape, self.recipe
        if recipe.method == "full":
            return shape.parameters
        if recipe.method == "prompt_tuning":
            return (recipe.prompt_tokens or 0) * shape.embedding_length
        layers = targeted(self.anatomy.linears, recipe.targets or ())
        rank = recipe.rank or 0
        lengths = sum(layer.outputs for layer in layers) if recipe.method == "dora" else 0
        return rank * sum(layer.inputs + layer.outputs for layer in layers) + lengths

    @property
    def trained_bytes(self) -> float:
        """Numbers, gradients, and what the optimizer keeps; a full run trains the model's own numbers."""
        assert self.recipe.optimizer is not None
        own = 0 if self.recipe.method == "full" else FLOAT
        return self.trained_parameters * (own + FLOAT + STATE_BYTES[self.recipe.optimizer])

    @property
    def activation_bytes(self) -> float:
        """What the largest pass keeps for its way back."""
        shape, largest = self.anatomy.shape, self.work.largest()
        # What runs from layer to layer has the width of the numbers that are learned, where these are the model's own.
        width = FLOAT if self.recipe.method == "full" else self._width
        inner = self._width * (shape.feed_forward_length or 4 * shape.embedding_length)
        layer = largest.tokens * (HIDDEN_KEPT * width * shape.embedding_length + INNER_KEPT * inner)
        layer *= KEPT[self.recipe.method or "lora"]
        attention = largest.kept_squares * shape.heads * FLOAT
        if self.recipe.gradient_checkpointing:
            return (
                min(AGAIN, shape.layers) * (layer + attention)
                + shape.layers * largest.tokens * shape.embedding_length * width
            )
        return shape.layers * (layer + attention)

    @property
    def _width(self) -> int:
        """Bytes of a number in products."""
        return FLOAT if self.recipe.base_weights == "float32" else 2

    @property
    def disk_bytes(self) -> int:
        """Checkpoints, and the result before it is published."""
        # The best one is kept beside the newest, and the next is written before the oldest goes.
        kept = self.recipe.keep_checkpoints + 2
        return int(kept * self._checkpoint_bytes + FLOAT * self.trained_parameters) + MIB

    @property
    def _checkpoint_bytes(self) -> float:
        assert self.recipe.optimizer is not None
        return self.trained_parameters * (FLOAT + STATE_BYTES[self.recipe.optimizer])

    def training_seconds(self, rate: float) -> float:
        """Of all steps; `rate` is of products of matrices, in floating point operations a second."""
        products = self.pass_flops(self.work.summed()) * self.work.epochs / (rate * EFFICIENCY[self._width])
        passes = (products + self.work.passes * self._overhead_seconds) * self._slower
        return passes + self.work.steps * self.trained_parameters * UPDATE_SECONDS

    def watching_seconds(self, rate: float) -> float:
        """Evaluations, and at every checkpoint what is written and the answers to the recipe's prompts."""
        judged = self.forward_flops(self.work.evaluated) / (rate * EFFICIENCY[self._width])
        judged += self._evaluation_passes * self._overhead_seconds * FORWARD_SHARE
        saved = self.work.steps // (self.recipe.checkpoint_every or self.work.steps) + 1
        return self.work.evaluations * judged * self._slower + saved * self.checkpoint_seconds

    @property
    def checkpoint_seconds(self) -> float:
        """Of one: what is written, and the answers to the recipe's prompts."""
        answers = len(self.recipe.probes) * self.recipe.probe_tokens / DECODED_PER_SECOND
        return answers + self._checkpoint_bytes / WRITTEN_PER_SECOND

    def forward_flops(self, work: Pass) -> float:
        shape = self.anatomy.shape
        body = self.anatomy.body_parameters * shape.active_share()
        head = shape.vocabulary * shape.embedding_length
        attention = 4 * shape.layers * shape.embedding_length * work.squares
        return 2 * (body * work.tokens + head * work.trained) + attention

    def pass_flops(self, work: Pass) -> float:
        """Forward, and back to what is trained: as much again for the inputs, and once more for weights that learn."""
        forward = self.forward_flops(work)
        again = 1 if self.recipe.gradient_checkpointing else 0
        ways = 2 + again + (1 if self.recipe.method == "full" else 0)
        adapter = 0 if self.recipe.method == "full" else 6 * self.trained_parameters * work.tokens
        return ways * forward + adapter

    @property
    def _overhead_seconds(self) -> float:
        """Of one pass there and back."""
        ways = 4 / 3 if self.recipe.gradient_checkpointing else 1
        adapters = len(targeted(self.anatomy.linears, self.recipe.targets or ())) if self._has_adapters else 0
        return ways * (self.anatomy.shape.layers * LAYER_SECONDS + adapters * ADAPTER_SECONDS)

    @property
    def _evaluation_passes(self) -> int:
        """Of one evaluation: a sample each, or a pack."""
        evaluated, recipe = self.work.evaluated, self.recipe
        if not recipe.packing:
            return evaluated.samples
        return math.ceil(evaluated.tokens / (recipe.max_length or max(evaluated.tokens, 1)))

    @property
    def _has_adapters(self) -> bool:
        return self.recipe.method not in {"full", "prompt_tuning"}

    @property
    def _slower(self) -> float:
        return DORA_SLOWER if self.recipe.method == "dora" else 1.0
