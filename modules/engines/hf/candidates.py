"""The likeliest tokens, sorted; the rest of the vocabulary is sorted only when a sampler's answer depends on it."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

HEAD = 256


class Head(NamedTuple):
    """The likeliest tokens of one place: logits [n], falling, and ids [n], both on the CPU."""

    logits: Tensor
    ids: Tensor


def heads_of(logits: Tensor) -> list[Head]:
    """[places, vocabulary] on any device: sorted together, and brought here together."""
    values, ids = torch.topk(logits, min(HEAD, logits.shape[-1]))
    return [Head(*head) for head in zip(values.cpu(), ids.cpu(), strict=True)]


class Candidates:
    """`logits` [n], falling, of the tokens `ids` [n]; what lies below them is still unsorted unless `whole`.

    Every operation gives just what it would give on the sorted whole.
    """

    def __init__(self, logits: Tensor, head: Head | None = None) -> None:
        """`logits` [vocabulary] may lie on any device; `head` is theirs, where it is known already."""
        self._all = logits
        self.vocabulary = logits.numel()
        self.whole = logits.numel() <= HEAD
        self.logits, self.ids = head or heads_of(logits[None])[0]

    def __len__(self) -> int:
        return self.logits.numel()

    def extend(self) -> None:
        """Sort what is left as well."""
        if not self.whole:
            self.logits, self.ids = torch.sort(self._all.cpu(), descending=True)
            self.whole = True

    def probabilities(self) -> Tensor:
        """Of the tokens held; their sum is less than 1 while others are unsorted."""
        if self.whole:
            return torch.softmax(self.logits, 0)
        return torch.exp(self.logits - torch.logsumexp(self._all, 0).cpu())

    def keep_first(self, count: int) -> None:
        if count > len(self):
            self.extend()
        self._take(torch.arange(min(count, len(self)), device=self.ids.device))

    def keep_above(self, limit: float) -> None:
        """Drop logits below `limit`; the likeliest token always stays."""
        if float(self.logits[-1]) >= limit:
            self.extend()
        kept = int((self.logits >= limit).sum())
        self.keep_first(max(kept, 1))

    def keep_share(self, share: float) -> None:
        """The smallest set of the likeliest tokens whose probabilities reach `share`, at least one."""
        sums = torch.cumsum(self.probabilities(), 0)
        if float(sums[-1]) < share and not self.whole:
            self.extend()
            sums = torch.cumsum(self.probabilities(), 0)
        self.keep_first(int((sums < share).sum()) + 1)

    def keep_typical(self, share: float) -> None:
        """Locally typical sampling (Meister et al. 2022): those whose surprise is nearest to the average."""
        self.extend()
        surprise = -torch.log_softmax(self.logits, 0)
        probabilities = torch.exp(-surprise)
        entropy = (probabilities * torch.nan_to_num(surprise, posinf=0.0)).sum()
        order = torch.argsort((surprise - entropy).abs(), stable=True)
        kept = int((torch.cumsum(probabilities[order], 0) < share).sum()) + 1
        self._take(torch.sort(order[:kept]).values)

    def drop_top_choices(self, threshold: float) -> None:
        """XTC: of the tokens with at least this probability only the least likely one stays."""
        if float(self.probabilities()[-1]) >= threshold:
            self.extend()
        top = int((self.probabilities() >= threshold).sum())
        if top > 1:
            self.extend()
            self._take(torch.arange(top - 1, len(self), device=self.ids.device))

    def divide(self, temperature: float) -> None:
        self._all = self._all / temperature
        self.logits = self.logits / temperature

    def entropy_share(self) -> float:
        """Entropy as a share of the largest it could be, 0..1."""
        self.extend()
        if len(self) < 2:
            return 0.0
        logs = torch.log_softmax(self.logits, 0)
        entropy = -(torch.exp(logs) * torch.nan_to_num(logs, neginf=0.0)).sum()
        return float(entropy) / math.log(len(self))

    def draw(self, chance: float) -> int:
        """The token at this place (0..1) of the distribution; the likeliest first."""
        sums = torch.cumsum(self.probabilities(), 0)
        if float(sums[-1]) <= chance and not self.whole:
            self.extend()
            sums = torch.cumsum(self.probabilities(), 0)
        # Rounding may leave the sum of the whole a little off 1.
        place = int((sums <= chance * (float(sums[-1]) if self.whole else 1.0)).sum())
        return int(self.ids[min(place, len(self) - 1)])

    def _take(self, places: Tensor) -> None:
        """From here on these are all there is."""
        self.logits, self.ids = self.logits[places], self.ids[places]
        self._all, self.whole = self.logits, True
