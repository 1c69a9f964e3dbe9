"""Predictions corrected by past runs."""

import pytest

from modules.services.correction import MEMORY, SPEED, corrected
from modules.types.model_runs import ModelRun


def run(ratio: float, model: str = "m", variant: str = "Q4_0") -> ModelRun:
    return ModelRun(model, "llamacpp", variant, "speed", 10.0, 10.0 * ratio, 0.0)


def test_without_evidence_the_arithmetic_is_believed() -> None:
    said = corrected(100.0, SPEED, [], "m", "Q4_0")
    assert (said.value, said.low, said.high) == pytest.approx((100.0, 70.0, 130.0))


def test_three_runs_of_the_same_model_decide() -> None:
    said = corrected(100.0, SPEED, [run(0.5), run(0.52), run(0.51)], "m", "Q4_0")
    assert said.value == pytest.approx(51.0)
    assert said.high / said.value == pytest.approx(1.15)


def test_the_band_narrows_with_each_run() -> None:
    widths = [corrected(100.0, SPEED, [run(1.0)] * count, "m", "Q4_0") for count in range(6)]
    errors = [(one.high - one.low) / 2 / one.value for one in widths]
    assert errors == pytest.approx([0.30, 0.25, 0.20, 0.15, 0.15, 0.15])


def test_the_own_model_counts_more_than_others() -> None:
    others = [run(2.0, f"other {number}") for number in range(3)]
    foreign = [run(3.0, f"foreign {number}", "F16") for number in range(12)]
    assert corrected(100.0, SPEED, [*foreign, *others, run(0.5), run(0.5)], "m", "Q4_0").value == 50.0
    assert corrected(100.0, SPEED, others, "m", "Q4_0").value == 200.0
    assert corrected(100.0, SPEED, foreign[:1], "m", "Q4_0").value == 100.0


def test_one_odd_run_decides_nothing() -> None:
    assert corrected(100.0, SPEED, [run(0.01), run(0.9), run(0.91)], "m", "Q4_0").value == pytest.approx(90.0)


def test_old_runs_are_forgotten() -> None:
    said = corrected(100.0, SPEED, [run(0.8)] * 5 + [run(0.1)] * 40, "m", "Q4_0")
    assert said.value == pytest.approx(80.0)


def test_a_small_error_of_memory_is_not_worth_a_word() -> None:
    said = corrected(2.0**20, MEMORY, [], "m", "Q4_0")
    assert (said.low, said.high) == (0.0, 21 * 2.0**20)
