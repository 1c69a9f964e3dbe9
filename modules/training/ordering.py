"""Which samples are seen in which step: a function of the seed and the epoch, so that a run can go on anywhere."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from modules.training.packing import pack

# Samples of like length are padded least; so many batches are sorted together, which keeps batches different.
SORTED_BATCHES = 32

Step = list[list[int]]


@dataclass(frozen=True)
class Ordering:
    """`lengths` in tokens. A pass reads `batch_size` rows: packs of at most `capacity` tokens, or without it samples.

    A step is `passes` passes, those of all processes together; the last step of an epoch may have fewer.
    """

    lengths: Sequence[int]
    seed: int
    batch_size: int
    passes: int
    capacity: int | None

    @cached_property
    def steps_per_epoch(self) -> int:
        rows = len(self.lengths) if self.capacity is None else len(pack(self.lengths, self.capacity))
        return math.ceil(math.ceil(rows / self.batch_size) / self.passes)

    def epoch(self, number: int) -> list[Step]:
        """Every sample once: for each step the passes, and of each pass the samples. Epochs count from 0."""
        # A text as the seed is hashed by SHA-512, the same everywhere.
        chance = random.Random(f"{self.seed} {number}")
        order = list(range(len(self.lengths)))
        chance.shuffle(order)
        batches = self._sorted(order) if self.capacity is None else self._packed(order, self.capacity, chance)
        chance.shuffle(batches)
        return [batches[first : first + self.passes] for first in range(0, len(batches), self.passes)]

    def _packed(self, order: list[int], capacity: int, chance: random.Random) -> list[list[int]]:
        packs = [[order[place] for place in row] for row in pack([self.lengths[i] for i in order], capacity)]
        chance.shuffle(packs)
        return [
            [sample for row in packs[first : first + self.batch_size] for sample in row]
            for first in range(0, len(packs), self.batch_size)
        ]

    def _sorted(self, order: list[int]) -> list[list[int]]:
        window = SORTED_BATCHES * self.batch_size
        batches: list[list[int]] = []
        for start in range(0, len(order), window):
            like = sorted(order[start : start + window], key=lambda sample: self.lengths[sample])
            batches += [like[first : first + self.batch_size] for first in range(0, len(like), self.batch_size)]
        return batches
