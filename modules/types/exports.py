"""What a finetuned model can be made into, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

ExportKind = Literal["merged", "gguf", "gguf_lora", "push"]
GgufType = Literal["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"]
GGUF_TYPES: tuple[GgufType, ...] = get_args(GgufType)

# Kinds of models, by their configs' own word, that can be written as GGUF.
GGUF_KINDS = frozenset({"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "gpt2"})


@dataclass(frozen=True)
class Agreement:
    """Of `tokens` that transformers wrote greedily after some `prompts`, llama.cpp chose so many as well."""

    tokens: int
    agreed: int
    least_share: float
    prompts: int

    @property
    def share(self) -> float:
        return self.agreed / self.tokens if self.tokens else 0.0

    @property
    def is_good(self) -> bool:
        return self.share >= self.least_share


@dataclass(frozen=True)
class ExportChoice:
    """`size_bytes` are predicted, by type, or under the empty text where there is one form only."""

    kind: ExportKind
    types: tuple[str, ...]
    is_possible: bool
    reason: str
    size_bytes: Mapping[str, int]


@dataclass(frozen=True)
class ExportResult:
    """An export that has ended. `agreement` is None where nothing was compared; `error` says why there is none.

    `created` is Unix seconds.
    """

    name: str
    kind: ExportKind
    type: str
    created: float
    agreement: Agreement | None = None
    error: str = ""
