"""How well the held-out samples are foretold: the mean loss of their trained tokens."""

import torch

from modules.training.collating import Collator
from modules.training.distributed import Group
from modules.training.forward import Forward
from modules.training.ordering import Ordering


class Evaluation:
    """Samples of like length together, the same in every evaluation, shared among the processes."""

    def __init__(self, forward: Forward, collator: Collator, capacity: int, group: Group) -> None:
        """A pass has about `capacity` tokens where samples are packed, else one sample."""
        self._forward, self._collator, self._group = forward, collator, group
        order = Ordering(collator.lengths, 0, 1, 1, capacity if collator.packed else None)
        self._passes = [samples for step in order.epoch(0) for samples in step][group.rank :: group.size]

    def mean_loss(self) -> float:
        model = self._forward.learner.model
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.no_grad():
            for samples in self._passes:
                batch = self._collator.batch(samples)
                sums += torch.tensor([float(self._forward.summed_loss(batch)), batch.trained_tokens])
        self._group.add([sums])
        return float(sums[0] / sums[1])
