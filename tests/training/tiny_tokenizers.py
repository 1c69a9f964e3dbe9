"""Tokenizers whose tokens are bytes, so that a test can read what is learned as text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")


def byte_tokenizer(
    template: str | None = CHATML,
    *,
    eos: str | None = "<|im_end|>",
    adds_bos: bool = False,
    merges: Sequence[tuple[str, str]] = (),
) -> Any:
    """`merges` are pairs of characters that become one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(first + second for first, second in merges)]
    raw = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, list(merges)))  # type: ignore[arg-type]
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)  # type: ignore[assignment]
    raw.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    raw.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    if adds_bos:
        bos = raw.token_to_id("<s>")
        raw.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", bos)])  # type: ignore[assignment]
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token=eos)
    tokenizer.chat_template = template
    return tokenizer


def save(tokenizer: Any, folder: Path) -> Path:
    tokenizer.save_pretrained(folder)
    return folder
