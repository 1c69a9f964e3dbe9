"""The tokens that may still be chosen, sorted no further than a sampler's answer depends on it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

HEAD = 256
# With fewer left after a change it is sorted anew.
LEAST_HEAD = 64
IMPOSSIBLE = -math.inf
# No probability lies below this, as float32 has none.
SMALLEST = 1e-45


class Head(NamedTuple):
    """The likeliest tokens of one place: logits [n], falling, and ids [n], both on the CPU.

    `total` is the logarithm of the sum of exponentials of all the place's logits, where it is known already.
    """

    logits: Tensor
    ids: Tensor
    total: float | None = None


class Likeliest(NamedTuple):
    """The likeliest of the `kept` tokens that have any probability: ids and log-probabilities, [n], falling."""

    kept: int
    ids: Tensor
    logprobs: Tensor


def heads_of(logits: Tensor) -> list[Head]:
    """[places, vocabulary] on any device: sorted together, and brought here together."""
    values, ids = torch.topk(logits, min(HEAD, logits.shape[-1]))
    totals = torch.logsumexp(logits, -1).cpu()
    return [Head(*place[:2], float(place[2])) for place in zip(values.cpu(), ids.cpu(), totals, strict=True)]


class Candidates:
    """`logits` [n], falling, of the tokens `ids` [n]; of the `count` that are left others lie below, unless `whole`.

    Every operation gives just what it would give on the sorted whole, and leaves at least one token.
    """

    def __init__(self, logits: Tensor, head: Head | None = None) -> None:
        """`logits` [vocabulary] may lie on any device; `head` is theirs, where it is known already."""
        # Of all that are left, but for the changes: in the vocabulary's order as long as it is not whole.
        self._all = logits
        # Tokens and their new logits. They wait until someone asks for more than the head, on a GPU perhaps nobody.
        self._changes: list[tuple[Tensor, Tensor]] = []
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
        self.reach(self.count)

    def reach(self, count: int) -> None:
        """Sort what is left down to this many tokens."""
        if self.whole or count <= len(self):
            return
        if count < self.count:
            self._head = sorted_to(self._left, count)
        else:
            logits, ids = torch.sort(self._left, descending=True)
            self._head, self.whole = Head(logits.cpu(), ids.cpu()), True

    def probabilities(self) -> Tensor:
        """Of the tokens held; their sum is less than 1 while others are unsorted."""
        return torch.softmax(self.logits, 0) if self.whole else torch.exp(self.logits - self._total)

    def likeliest(self, count: int) -> Likeliest:
        self.reach(count)
        logprobs = (self.logits - self._total)[:count]
        return Likeliest(int(torch.isfinite(self._left).sum()), self.ids[:count], logprobs)

    def change(self, tokens: Tensor, change: Callable[[Tensor], Tensor]) -> None:
        """`change` makes new logits of those of `tokens` [n], each of them named once; what was dropped stays so."""
        if not self.whole:
            after = change(self._left[tokens.to(self._all.device)].cpu())
            self._changes.append((tokens, after))
            self._head = with_changed(self._head, tokens, after) if self._head is not None else None
            return
        logits = torch.full((self.vocabulary,), IMPOSSIBLE)
        logits[self.ids] = self.logits
        logits[tokens] = change(logits[tokens])
        self._hold(Head(*torch.topk(logits, self.count)))

    def forbid(self, tokens: Tensor) -> None:
        """Make these tokens [n] impossible."""
        impossible = torch.full(tokens.shape, IMPOSSIBLE)
        if self.whole:
            self.change(tokens, lambda _: impossible)
            return
        self._changes.append((tokens, impossible))
        self._head = without(self._head, tokens) if self._head is not None else None

    def has_others(self, tokens: Tensor) -> bool:
        """Whether any token but these [n] is possible."""
        possible = bool(torch.isfinite(self.logits[~torch.isin(self.ids, tokens)]).any())
        if possible or self.whole:
            return possible
        self.extend()
        return self.has_others(tokens)

    def reshape(self, shape: Callable[[Tensor], Tensor]) -> None:
        """`shape` makes new logits of falling ones, [count] both; what was impossible stays so."""
        self.extend()
        logits = torch.where(torch.isneginf(self.logits), IMPOSSIBLE, shape(self.logits))
        order = torch.argsort(logits, descending=True, stable=True)
        self._hold(Head(logits[order], self.ids[order]))

    def divide(self, temperature: float) -> None:
        self._all = self._left / temperature
        if self._head is not None:
            self._head = Head(self._head.logits / temperature, self._head.ids)

    def keep_first(self, count: int) -> None:
        self.reach(count)
        self._take(slice(0, max(count, 1)))

    def keep_above(self, limit: float) -> None:
        """Drop logits below `limit`."""
        if float(self.logits[-1]) >= limit:
            self.extend()
        self.keep_first(int((self.logits >= limit).sum()))

    def keep_probable(self, least: float) -> None:
        """Drop tokens whose probability is below `least`."""
        self.keep_above(self._total + math.log(max(least, SMALLEST)))

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
        logs = torch.log_softmax(self._left, 0)
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

    @property
    def _left(self) -> Tensor:
        """The logits of all that are left, on their own device."""
        if self._changes:
            self._all = self._all.clone()
            for tokens, logits in self._changes:
                self._all[tokens.to(self._all.device)] = logits.to(self._all.device)
            self._changes = []
        return self._all

    @property
    def _total(self) -> float:
        """The logarithm of the sum of exponentials of all logits that are left."""
        head = self._sorted()
        if head.total is None:
            self._head = head = head._replace(total=float(torch.logsumexp(self._left, 0)))
        assert head.total is not None
        return head.total

    def _sorted(self) -> Head:
        if self._head is None:
            self._head = sorted_to(self._left, HEAD)
        return self._head

    def _take(self, places: slice | Tensor) -> None:
        self._hold(Head(self.logits[places], self.ids[places]))

    def _hold(self, head: Head) -> None:
        """From here on these are all there is."""
        self._head, self._all, self._changes, self.whole = head, head.logits, [], True


def sorted_to(logits: Tensor, count: int) -> Head:
    """The `count` likeliest of logits [vocabulary] on any device."""
    values, ids = torch.topk(logits, min(count, logits.numel()))
    return Head(values.cpu(), ids.cpu())


def with_changed(head: Head, tokens: Tensor, logits: Tensor) -> Head | None:
    """The likeliest once `tokens` [n] have these logits; None where those held tell of too few of them."""
    stay = ~torch.isin(head.ids, tokens)
    ids = torch.cat((head.ids[stay], tokens))
    values, order = torch.sort(torch.cat((head.logits[stay], logits)), descending=True, stable=True)
    # Of what lies below the last one, others that are not held may lie higher.
    certain = int((values >= head.logits[-1]).sum())
    return Head(values[:certain], ids[order[:certain]]) if certain >= LEAST_HEAD else None


def without(head: Head, tokens: Tensor) -> Head | None:
    """The likeliest but for `tokens` [n]; None where too few are held."""
    stay = ~torch.isin(head.ids, tokens)
    logits = head.logits[stay]
    return Head(logits, head.ids[stay]) if len(logits) >= LEAST_HEAD else None
