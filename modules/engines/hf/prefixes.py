"""What past requests computed, kept within a budget: a conversation's next turn begins with what is there already."""

from collections import OrderedDict
from dataclasses import dataclass

from modules.engines.hf.adapters import Mix
from modules.engines.hf.rows import States


@dataclass(frozen=True)
class Prefix:
    """`states` of `tokens` as the model computes them with the adapters of `mix`; with others they are different."""

    tokens: tuple[int, ...]
    mix: Mix
    states: States

    @property
    def size_bytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.states)


class PrefixStore:
    """The least recently used goes first. Token ids are compared, never text."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[tuple[Mix, tuple[int, ...]], Prefix] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        return sum(prefix.size_bytes for prefix in self._kept.values())

    def best(self, tokens: list[int], mix: Mix) -> tuple[Prefix, int] | None:
        """The prefix of this mix that shares the most with `tokens`, and how many tokens that is."""
        shared, prefix = max(
            ((common(prefix.tokens, tokens), prefix) for prefix in self._kept.values() if prefix.mix == mix),
            key=lambda found: found[0],
            default=(0, None),
        )
        if prefix is None or shared == 0:
            return None
        self._kept.move_to_end((mix, prefix.tokens))
        return prefix, shared

    def keep(self, tokens: list[int], mix: Mix, states: States) -> None:
        """Shorter prefixes that this one contains are of no more use."""
        added = Prefix(tuple(tokens), mix, states)
        if not tokens or added.size_bytes > self._budget_bytes:
            return
        for key in [(mix, other) for of, other in self._kept if of == mix and common(other, tokens) == len(other)]:
            del self._kept[key]
        self._kept[mix, added.tokens] = added
        while self.size_bytes > self._budget_bytes:
            self._kept.popitem(last=False)


def common(one: tuple[int, ...], other: list[int]) -> int:
    """How many tokens both begin with."""
    length = min(len(one), len(other))
    if one[:length] == tuple(other[:length]):
        return length
    low, high = 0, length
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if one[:middle] == tuple(other[:middle]) else (low, middle)
    return low
