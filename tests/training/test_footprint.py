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
PACK = Pass(samples=8, tokens=485, squares=99_000, kept_squares=99_000, trained=372)
LONG = Pass(samples=15, tokens=987, squares=205_000, kept_squares=205_000, trained=790)
BATCH = Pass(samples=4, tokens=334, squares=56_000, kept_squares=56_000, trained=252)
PROMPTED = Pass(samples=8, tokens=601, squares=118_000, kept_squares=118_000, trained=372)
# Runs of six steps on 2 cores of an AMD EPYC, which multiply matrices at 408 GFLOP/s in bfloat16 and at 191 in float32:
# passes, peak of the training process in MiB, seconds of all steps (`python -m tests.benchmarks.training_prediction`).
RUNS: tuple[tuple[Pass, dict[str, Any], int, int, int], ...] = (
    (PACK, {}, 17, 1776, 29),
    (LONG, {}, 6, 2017, 16),
    (PACK, {"gradient_checkpointing": True}, 17, 1213, 41),
    (PACK, {"base_weights": "float32"}, 17, 2245, 42),
    (BATCH, {"packing": False}, 24, 1783, 27),
    (PACK, {"method": "dora"}, 17, 2758, 41),
    (PACK, {"method": "full"}, 17, 4130, 34),
    (PROMPTED, {"method": "prompt_tuning", "prompt_tokens": 20}, 17, 1462, 20),
    (PACK, {"base_weights": "nf4"}, 17, 1833, 26),
)


def footprint(largest: Pass = PACK, passes: int = 10, **fields: Any) -> Footprint:
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
        Recipe.model_validate(chosen), STARTER, Work(6, 1.0, passes * largest.tokens, (largest,) * passes, Pass(), 0)
    )


@pytest.mark.parametrize(("one", "fields", "passes", "peak_mib", "seconds"), RUNS)
def test_it_is_as_it_was_measured(one: Pass, fields: dict[str, Any], passes: int, peak_mib: int, seconds: int) -> None:
    told = footprint(one, passes, **fields)
    rate = 191e9 if fields.get("base_weights") == "float32" else 408e9
    assert told.memory_bytes / MIB == pytest.approx(peak_mib, rel=0.25)
    assert told.training_seconds(rate) == pytest.approx(seconds, rel=0.25)


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
