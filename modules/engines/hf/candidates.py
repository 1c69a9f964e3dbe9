"""The tokens that may still be chosen, sorted no further than a sampler's answer depends on it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

HEAD = 256
IMPOSSIBLE = -math.inf
# No probability lies below this, as float32 has none.
SMALLEST = 1e-45


class Head(NamedTuple):
    """The likeliest tokens of one place: logits [n], falling, and ids [n], both on the CPU."""

    logits: Tensor
    ids: Tensor


class Likeliest(NamedTuple):
    """The likeliest of the `kept` tokens that have any probability: ids and log-probabilities, [n], falling."""

    kept: int
    ids: Tensor
    logprobs: Tensor


def heads_of(logits: Tensor) -> list[Head]:
    """[places, vocabulary] on any device: sorted together, and brought here together."""
    values, ids = torch.topk(logits, min(HEAD, logits.shape[-1]))
    return [Head(*head) for head in zip(values.cpu(), ids.cpu(), strict=True)]


class Candidates:
    """`logits` [n], falling, of the tokens `ids` [n]; of the `count` that are left others lie below, unless `whole`.

    Every operation gives just what it would give on the sorted whole, and leaves at least one token.
    """

    def __init__(self, logits: Tensor, head: Head | None = None) -> None:
        """`logits` [vocabulary] may lie on any device; `head` is theirs, where it is known already."""
        # Of all that are left: in the vocabulary's order as long as it is not whole.
        self._all = logits
        self._head = head
        self.vocabulary = logits.numel()
        self.whole = self.vocabulary <= HEAD

    @property
    def logits(self) -> Tensor:
        return self._sorted().logits

    @property
    def ids(self) -> Tensor:
        return self._sorted().ids

    @property
    def count(self) -> int:
        return self._all.numel()

    def __len__(self) -> int:
        return self.logits.numel()

    def extend(self) -> None:
        """Sort what is left as well."""
        if not self.whole:
            self._head = Head(*torch.sort(self._all.cpu(), descending=True))
            self.whole = True

    def probabilities(self) -> Tensor:
        """Of the tokens held; their sum is less than 1 while others are unsorted."""
        if self.whole:
            return torch.softmax(self.logits, 0)
        return torch.exp(self.logits - torch.logsumexp(self._all, 0).cpu())

    def likeliest(self, count: int) -> Likeliest:
        if count > len(self):
            self.extend()
        logprobs = (self.logits - torch.logsumexp(self._all, 0).cpu())[:count]
        return Likeliest(int(torch.isfinite(self._all).sum()), self.ids[:count], logprobs)

    def change(self, change: Callable[[Tensor], None]) -> None:
        """`change` alters logits [vocabulary] in place; what was dropped stays dropped."""
        if self.whole:
            logits = torch.full((self.vocabulary,), IMPOSSIBLE)
            logits[self.ids] = self.logits
        else:
            logits = self._all.to("cpu", copy=True)
        change(logits)
        left = self.count
        if left == self.vocabulary:
            self._all, self._head, self.whole = logits, None, self.vocabulary <= HEAD
        else:
            self._hold(Head(*torch.topk(logits, left)))

    def reshape(self, shape: Callable[[Tensor], Tensor]) -> None:
        """`shape` makes new logits of falling ones, [count] both; what was impossible stays so."""
        self.extend()
        logits = torch.where(torch.isneginf(self.logits), IMPOSSIBLE, shape(self.logits))
        order = torch.argsort(logits, descending=True, stable=True)
        self._hold(Head(logits[order], self.ids[order]))

    def divide(self, temperature: float) -> None:
        self._all = self._all / temperature
        if self._head is not None:
            self._head = Head(self._head.logits / temperature, self._head.ids)

    def keep_first(self, count: int) -> None:
        if count > len(self):
            self.extend()
        self._take(slice(0, max(count, 1)))

    def keep_above(self, limit: float) -> None:
        """Drop logits below `limit`."""
        if float(self.logits[-1]) >= limit:
            self.extend()
        self.keep_first(int((self.logits >= limit).sum()))

    def keep_probable(self, least: float) -> None:
        """Drop tokens whose probability is below `least`."""
        self.keep_above(float(torch.logsumexp(self._all, 0)) + math.log(max(least, SMALLEST)))

    def keep_share(self, share: float) -> None:
        """The smallest set of the likeliest tokens whose probabilities reach `share`."""
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
        order = torch.argsort((surprise - self.entropy()).abs(), stable=True)
        kept = int((torch.cumsum(probabilities[order], 0) < share).sum()) + 1
        self._take(torch.sort(order[:kept]).values)

    def keep_head(self, share: float) -> None:
        """Tail-free sampling (Phénix and Egan 2019): until this share of the probabilities' curvature is passed."""
        self.extend()
        curvature = torch.diff(self.probabilities(), n=2).abs()
        total = float(curvature.sum())
        if total > 0:
            # Each value of the curvature belongs to the middle one of the three probabilities that it is made of.
            self.keep_first(1 + int((torch.cumsum(curvature / total, 0) <= share).sum()))

    def drop_top_choices(self, threshold: float) -> None:
        """XTC: of the tokens with at least this probability only the least likely one stays."""
        if float(self.probabilities()[-1]) >= threshold:
            self.extend()
        top = int((self.probabilities() >= threshold).sum())
        if top > 1:
            self.extend()
            self._take(slice(top - 1, None))

    def entropy(self) -> float:
        """In nats."""
        logs = torch.log_softmax(self._all, 0)
        return -float((torch.exp(logs) * torch.nan_to_num(logs, neginf=0.0)).sum())

    def entropy_share(self) -> float:
        """Entropy as a share of the largest it could be, 0..1."""
        return self.entropy() / math.log(self.count) if self.count > 1 else 0.0

    def draw(self, draw_chance: Callable[[], float]) -> int:
        """The token at a place (0..1) of the distribution that is drawn if there are several; the likeliest first."""
        if self.count == 1:
            return int(self.ids[0])
        chance = draw_chance()
        sums = torch.cumsum(self.probabilities(), 0)
        if float(sums[-1]) <= chance and not self.whole:
            self.extend()
            sums = torch.cumsum(self.probabilities(), 0)
        # Rounding may leave the sum of the whole a little off 1.
        place = int((sums <= chance * (float(sums[-1]) if self.whole else 1.0)).sum())
        return int(self.ids[min(place, len(self) - 1)])

    def _sorted(self) -> Head:
        if self._head is None:
            self._head = heads_of(self._all[None])[0]
        return self._head

    def _take(self, places: slice | Tensor) -> None:
        self._hold(Head(self.logits[places], self.ids[places]))

    def _hold(self, head: Head) -> None:
        """From here on these are all there is."""
        self._head, self._all, self.whole = head, head.logits, True
