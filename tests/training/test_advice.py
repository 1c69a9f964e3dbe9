"""What is chosen follows from what is there, and says so."""

import pytest

from modules.training import advice
from modules.training.advice import Choices, Counts
from modules.training.layers import Anatomy
from modules.types.datasets import DataSource
from modules.types.local_model import ModelShape
from modules.types.machine import ComputeRates
from modules.types.recipes import Recipe
from modules.types.training import Examination, TokenFacts

SMALL = Anatomy(ModelShape(architecture="llama", parameters=10**8, context_length=4096), ())


def choices(**fields: object) -> Choices:
    return Choices(Recipe.model_validate({"model": "m", "name": "n", "data": DataSource(path="x"), **fields}))


def examined(lengths: list[int]) -> Examination:
    facts = TokenFacts(len(lengths), sum(lengths), sum(lengths), max(lengths), sorted(lengths)[len(lengths) // 2], ())
    return Examination(facts, tuple(lengths), tuple(lengths), tuple(range(len(lengths))))


def test_few_samples_get_a_small_adapter_and_many_a_large_one() -> None:
    ranks: list[int | None] = []
    for samples in (240, 5000, 50_000):
        chosen = choices(method="lora")
        advice.choose_adapter(chosen, SMALL, samples)
        ranks.append(chosen.recipe.rank)
        assert f"{samples:,} samples" in chosen.reasons["rank"]
    assert ranks == sorted(ranks) == [8, 16, 32]


def test_large_ranks_are_scaled_by_their_root() -> None:
    chosen = choices(rank=64)
    advice.choose_task(chosen, Counts(chats=10))
    advice.choose_adapter(chosen, SMALL, 100)
    assert (chosen.recipe.method, chosen.recipe.alpha) == ("rslora", 16)


@pytest.mark.parametrize(
    ("counts", "objective"),
    [(Counts(chats=5), "chat"), (Counts(completions=5, texts=2), "chat"), (Counts(texts=5, chats=1), "text")],
)
def test_the_objective_is_what_most_samples_have(counts: Counts, objective: str) -> None:
    chosen = choices()
    advice.choose_task(chosen, counts)
    assert chosen.recipe.objective == objective


@pytest.mark.parametrize(
    ("lengths", "length", "packing"),
    [([100] * 50, 512, True), ([100] * 50 + [700], 704, True), ([900] * 50, 960, False), ([9000] * 50, 2048, False)],
)
def test_rows_fit_the_samples(lengths: list[int], length: int, packing: bool) -> None:
    chosen = choices(objective="chat", method="lora")
    advice.choose_rows(chosen, SMALL, examined(lengths))
    assert (chosen.recipe.max_length, chosen.recipe.packing) == (length, packing)


def test_a_processor_that_is_slow_in_16_bits_computes_in_32() -> None:
    for bfloat16, expected in ((2e11, "bfloat16"), (1e10, "float32")):
        chosen = choices(method="lora")
        advice.choose_numbers(chosen, ComputeRates(False, bfloat16, 9e10))
        assert chosen.recipe.base_weights == expected


@pytest.mark.parametrize(
    ("step_seconds", "checkpoint_seconds", "saved"),
    [
        (0.0, 0.1, 10),
        # A run of ten seconds, and how it is saved where that takes longer than learning.
        (0.1, 0.1, 20),
        (0.1, 9.0, 100),
        (2.0, 0.1, 20),
        (6.0, 0.1, 20),
        (60.0, 0.1, 10),
    ],
)
def test_checkpoints_are_minutes_apart_a_few_in_a_run_and_at_evaluations(
    step_seconds: float, checkpoint_seconds: float, saved: int
) -> None:
    chosen = choices()
    advice.choose_watch(chosen, 100, step_seconds, checkpoint_seconds)
    assert chosen.recipe.evaluate_every == 10
    assert chosen.recipe.checkpoint_every == saved


def test_a_few_are_held_out_of_many() -> None:
    shares: list[int] = []
    for rows in (10, 50, 1000, 100_000):
        chosen = choices()
        advice.choose_share(chosen, rows)
        shares.append(round((chosen.recipe.evaluation_share or 0) * rows))
    assert shares == [0, 4, 50, 200]
