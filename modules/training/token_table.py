"""All samples of a run as tokens, in three arrays instead of a million lists."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from modules.training.encoding import EncodedSample, SampleDropped, SampleEncoder
from modules.types.datasets import Example

# How often it is told how far encoding has come.
REPORT_SAMPLES = 1000


@dataclass(frozen=True)
class TokenTable:
    """`ids` int32 and `trained` bool [all tokens]; sample i lies in [`starts[i]`, `starts[i + 1]`)."""

    ids: Tensor
    trained: Tensor
    starts: list[int]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> list[int]:
        return [end - start for start, end in pairwise(self.starts)]

    def sample(self, index: int) -> tuple[Tensor, Tensor]:
        """(ids, trained) of one."""
        place = slice(self.starts[index], self.starts[index + 1])
        return self.ids[place], self.trained[place]


def encode_all(
    examples: Iterable[Example], encoder: SampleEncoder, report: Callable[[int], None] = lambda count: None
) -> TokenTable:
    """Samples that cannot be learned are left out, as the plan has told; `report` is called with how many are done."""
    samples: list[EncodedSample] = []
    for count, example in enumerate(examples):
        if count % REPORT_SAMPLES == 0:
            report(count)
        try:
            samples += encoder.encode(example)
        except SampleDropped:
            continue
    return table_of(samples)


def table_of(samples: Iterable[EncodedSample]) -> TokenTable:
    ids: list[Tensor] = [torch.zeros(0, dtype=torch.int32)]
    trained: list[Tensor] = [torch.zeros(0, dtype=torch.bool)]
    starts = [0]
    for sample in samples:
        ids.append(torch.tensor(sample.input_ids, dtype=torch.int32))
        trained.append(torch.tensor(sample.trained, dtype=torch.bool))
        starts.append(starts[-1] + len(sample.input_ids))
    return TokenTable(torch.cat(ids), torch.cat(trained), starts)
