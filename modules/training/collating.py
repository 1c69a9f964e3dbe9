"""Samples put together for one pass: one behind the other in a single row, or each in a padded row of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.training.token_table import TokenTable

# What stands where prompt tuning puts its vectors, and behind shorter samples; nobody looks at it.
FILLER = 0


@dataclass(frozen=True)
class Batch:
    """`input_ids` and `position_ids` [rows, places]; `attention_mask` [rows, places] where rows are padded.

    `sample_lengths` are those of a packed row. `predicting` are places, counted through all rows, whose next token is
    learned, and `labels` those tokens. `prompt_places` [samples * prompt tokens] are those of prompt tuning's vectors.
    `tokens` counts what samples really have.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor | None
    sample_lengths: tuple[int, ...] | None
    predicting: Tensor
    labels: Tensor
    prompt_places: Tensor
    tokens: int

    @property
    def trained_tokens(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Collator:
    """`prompt_tokens` are the vectors that prompt tuning puts before each sample."""

    samples: TokenTable
    packed: bool
    prompt_tokens: int
    device: torch.device

    @property
    def lengths(self) -> list[int]:
        """Of the samples, as they stand in a row."""
        return [self.prompt_tokens + length for length in self.samples.lengths]

    def batch(self, chosen: Sequence[int]) -> Batch:
        found = [self.samples.sample(index) for index in chosen]
        lengths = [self.prompt_tokens + len(ids) for ids, _ in found]
        width = sum(lengths) if self.packed else max(lengths)
        rows = 1 if self.packed else len(found)
        ids = torch.full((rows * width,), FILLER)
        positions, trained = torch.zeros_like(ids), torch.zeros(rows * width, dtype=torch.bool)
        is_real = torch.zeros_like(trained)
        prompts: list[Tensor] = [torch.zeros(0, dtype=torch.long)]
        start = 0
        for row, ((tokens, learned), length) in enumerate(zip(found, lengths, strict=True)):
            start = start if self.packed else row * width
            end, text = start + length, start + self.prompt_tokens
            ids[text:end] = tokens
            positions[start:end] = torch.arange(length)
            trained[text:end] = learned
            # The first token of a row follows nothing, that of a packed sample another sample.
            trained[start] = False
            is_real[start:end] = True
            prompts.append(torch.arange(start, text))
            start = end
        learned_places = trained.nonzero().flatten()
        return Batch(
            input_ids=ids.view(rows, width).to(self.device),
            position_ids=positions.view(rows, width).to(self.device),
            attention_mask=None if self.packed else is_real.view(rows, width).long().to(self.device),
            sample_lengths=tuple(lengths) if self.packed else None,
            predicting=(learned_places - 1).to(self.device),
            labels=ids[learned_places].to(self.device),
            prompt_places=torch.cat(prompts).to(self.device),
            tokens=sum(len(tokens) for tokens, _ in found),
        )
