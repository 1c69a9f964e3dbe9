"""What all samples are as tokens, counted up one by one."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from modules.training.encoding import EncodedSample
from modules.types.training import Examination, LengthBin, RedFlag, TokenFacts

# Rows that are named of each kind; counts are whole.
NAMED = 50
# At most so many bins, and one for what is longer than all but one in a hundred.
BINS = 24
USUAL_SHARE = 0.99


class Tally:
    """Holds three numbers of each sample, whatever its length."""

    def __init__(self) -> None:
        self._lengths, self._trained, self._lines = array("q"), array("q"), array("q")
        self._dropped: list[tuple[int, str]] = []
        self._truncated: list[tuple[int, int]] = []
        self._counts: Counter[str] = Counter()
        self._flags: dict[str, RedFlag] = {}

    def add(self, sample: EncodedSample, line: int) -> None:
        self._lengths.append(len(sample.input_ids))
        self._trained.append(sample.trained_tokens)
        self._lines.append(line)
        for flag in sample.flags:
            self._counts[flag.code] += 1
            self._flags.setdefault(flag.code, flag)
        if sample.cut_tokens:
            self._counts["truncated"] += 1
            if len(self._truncated) < NAMED:
                self._truncated.append((sample.row, sample.cut_tokens))

    def drop(self, row: int, reason: str) -> None:
        self._counts["dropped"] += 1
        if len(self._dropped) < NAMED:
            self._dropped.append((row, reason))

    def examination(self, further: Sequence[RedFlag] = ()) -> Examination:
        """`further` flags concern all samples."""
        lengths = self._lengths
        facts = TokenFacts(
            samples=len(lengths),
            tokens=sum(lengths),
            trained_tokens=sum(self._trained),
            longest=max(lengths, default=0),
            median=round(median(lengths)) if lengths else 0,
            histogram=histogram(lengths),
            dropped_count=self._counts["dropped"],
            dropped=tuple(self._dropped),
            truncated_count=self._counts["truncated"],
            truncated=tuple(self._truncated),
            flags=(*further, *(self._counted(flag) for flag in self._flags.values())),
        )
        return Examination(facts, tuple(lengths), tuple(self._trained), tuple(self._lines))

    def _counted(self, flag: RedFlag) -> RedFlag:
        count = self._counts[flag.code]
        return replace(flag, row=0 if 1 < count == len(self._lengths) else flag.row, count=count)


def histogram(lengths: Sequence[int]) -> tuple[LengthBin, ...]:
    """Bins of one width, a power of two, and a last one that reaches to the longest."""
    if not lengths:
        return ()
    usual = sorted(lengths)[int((len(lengths) - 1) * USUAL_SHARE)]
    width = 1
    while usual // width >= BINS:
        width *= 2
    bins = usual // width + 1
    counts = Counter(min(length // width, bins) for length in lengths)
    found = [LengthBin(place * width, (place + 1) * width, counts[place]) for place in range(bins)]
    if counts[bins]:
        found.append(LengthBin(bins * width, max(lengths) + 1, counts[bins]))
    return tuple(found)
