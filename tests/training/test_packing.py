import random
from itertools import pairwise

import pytest

from modules.training.ordering import Ordering
from modules.training.packing import pack


def test_every_sample_is_in_one_row_and_no_row_is_overfull() -> None:
    chance = random.Random(1)
    lengths = [chance.randint(1, 100) for _ in range(500)]
    rows = pack(lengths, 100)
    assert sorted(place for row in rows for place in row) == list(range(500))
    assert all(sum(lengths[place] for place in row) <= 100 for row in rows)
    # No packing takes fewer rows than all tokens would.
    assert len(rows) <= 1.03 * sum(lengths) / 100 + 1


def test_longer_samples_have_rows_of_their_own() -> None:
    assert sorted(pack([5, 12, 5], 10)) == [[0, 2], [1]]


@pytest.mark.parametrize("lengths", [[], [10], [10, 10]])
def test_few_samples(lengths: list[int]) -> None:
    assert pack(lengths, 10) == [[place] for place in range(len(lengths))]


def ordering(capacity: int | None, batch_size: int = 2, passes: int = 3, seed: int = 7) -> Ordering:
    chance = random.Random(2)
    return Ordering([chance.randint(3, 40) for _ in range(203)], seed, batch_size, passes, capacity)


@pytest.mark.parametrize("capacity", [64, None])
def test_an_epoch_has_every_sample_once_in_an_order_of_its_own(capacity: int | None) -> None:
    order = ordering(capacity)
    first, second = order.epoch(0), order.epoch(1)
    assert first == ordering(capacity).epoch(0)
    assert first != second
    assert first != ordering(capacity, seed=8).epoch(0)
    for epoch in (first, second):
        assert sorted(sample for step in epoch for samples in step for sample in samples) == list(range(203))
        assert len(epoch) == order.steps_per_epoch


def test_padded_batches_hold_samples_of_like_length() -> None:
    order = ordering(None, batch_size=4)
    batches = [samples for step in order.epoch(0) for samples in step]
    padding = sum(max(order.lengths[i] for i in batch) * len(batch) for batch in batches) / sum(order.lengths) - 1
    assert padding < 0.15
    # Yet the run does not go from the short to the long.
    sizes = [order.lengths[batch[0]] for batch in batches]
    assert any(later < earlier for earlier, later in pairwise(sizes))


def test_a_pass_holds_several_rows() -> None:
    order = ordering(64, batch_size=3)
    batches = [samples for step in order.epoch(0) for samples in step]
    assert max(sum(order.lengths[i] for i in batch) for batch in batches) > 64
    assert all(sum(order.lengths[i] for i in batch) <= 3 * 64 for batch in batches)
