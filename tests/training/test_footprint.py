"""What a run is said to take, against what runs took; and what makes it take less."""

from typing import Any

import pytest

from modules.training.footprint import Footprint
from modules.training.layers import Anatomy, LinearLayer
from modules.training.work import Pass, Work
from modules.types.datasets import DataSource
from modules.types.local_model import ModelShape
from modules.types.recipes import Recipe

MIB = 2**20
# The starter model: its layers, which hold 106 of its 135 million parameters.
SIZES = {"q_proj": (576, 576), "k_proj": (576, 192), "v_proj": (576, 192), "o_proj": (576, 576)} | {
    "gate_proj": (576, 1536),
    "up_proj": (576, 1536),
    "down_proj": (1536, 576),
}
STARTER = Anatomy(
    ModelShape(
        architecture="llama",
        parameters=134_515_008,
        layers=30,
        heads=9,
        embedding_length=576,
        feed_forward_length=1536,
        vocabulary=49_152,
        tied_embeddings=True,
    ),
    tuple(LinearLayer(f"model.layers.{layer}.{name}", *size) for layer in range(30) for name, size in SIZES.items()),
)
PACK = Pass(samples=8, tokens=512, squares=104_425, kept_squares=104_425, trained=393)
HALF = Pass(samples=4, tokens=256, squares=52_441, kept_squares=52_441, trained=189)
# The mean of that run's passes, of which HALF is the largest.
MEAN = Pass(samples=4, tokens=238, squares=48_000, kept_squares=48_000, trained=176)
DOUBLE = Pass(samples=16, tokens=1022, squares=212_086, kept_squares=212_086, trained=818)
PROMPTED = Pass(samples=8, tokens=661, squares=125_822, kept_squares=125_822, trained=393)
LONG = Pass(samples=1, tokens=936, squares=876_096, kept_squares=0, trained=902)


def footprint(largest: Pass = PACK, **fields: Any) -> Footprint:
    chosen = {
        "model": "starter",
        "name": "n",
        "data": DataSource(path="x"),
        "objective": "chat",
        "method": "lora",
        "base_weights": "bfloat16",
        "targets": ("all-linear",),
        "rank": 8,
        "packing": True,
        "optimizer": "adamw",
        "gradient_checkpointing": False,
        **fields,
    }
    return Footprint(
        Recipe.model_validate(chosen), STARTER, Work(10, 1.0, 10 * largest.tokens, (largest,) * 10, Pass(), 0)
    )


@pytest.mark.parametrize(
    ("largest", "fields", "peak_mib"),
    [
        (HALF, {}, 1094),
        (PACK, {}, 1515),
        (DOUBLE, {}, 2085),
        (LONG, {}, 1811),
        (PACK, {"gradient_checkpointing": True}, 1006),
        (PACK, {"base_weights": "float32"}, 2185),
        (PACK, {"method": "full"}, 3951),
        (PACK, {"base_weights": "nf4"}, 1612),
        (PACK, {"base_weights": "int8"}, 1584),
        (PACK, {"method": "dora"}, 2341),
        (PROMPTED, {"method": "prompt_tuning", "prompt_tokens": 20}, 1286),
    ],
)
def test_memory_is_as_it_was_measured(largest: Pass, fields: dict[str, Any], peak_mib: int) -> None:
    """Peaks of training processes on 2 cores of an AMD EPYC, without evaluation."""
    assert footprint(largest, **fields).memory_bytes / MIB == pytest.approx(peak_mib, rel=0.12)


@pytest.mark.parametrize(
    ("largest", "fields", "core_seconds"),
    [
        (MEAN, {}, 1.08),
        (PACK, {}, 2.7),
        (PACK, {"gradient_checkpointing": True}, 3.5),
        (PACK, {"method": "full"}, 3.9),
        (PACK, {"method": "dora"}, 4.1),
        (LONG, {}, 6.9),
    ],
)
def test_time_is_as_it_was_measured(largest: Pass, fields: dict[str, Any], core_seconds: float) -> None:
    """Of one pass on one core of that machine, which multiplies matrices at 190 GFLOP/s in bfloat16."""
    told = footprint(largest, **fields)
    assert told.training_seconds(190e9) / 10 == pytest.approx(core_seconds, rel=0.25)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"rank": 64}, {"rank": 8}),
        ({"method": "dora"}, {"method": "lora"}),
        ({"optimizer": "adamw", "method": "full"}, {"optimizer": "adafactor", "method": "full"}),
        ({"targets": ("all-linear",)}, {"targets": ("q_proj", "v_proj")}),
        ({"method": "lora"}, {"method": "prompt_tuning", "prompt_tokens": 20}),
    ],
)
def test_less_is_less(more: dict[str, Any], less: dict[str, Any]) -> None:
    assert footprint(**more).memory_bytes > footprint(**less).memory_bytes


def test_a_lora_has_two_matrices_for_each_layer() -> None:
    told = footprint(targets=("q_proj", "v_proj"), rank=4)
    assert told.trained_parameters == 30 * 4 * (576 + 576 + 576 + 192)
    assert told.disk_bytes > 4 * 3 * 4 * told.trained_parameters
