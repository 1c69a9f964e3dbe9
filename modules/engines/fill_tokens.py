"""The special tokens by which models fill in the middle of a text."""

from collections.abc import Callable, Sequence

from modules.types.generation import FillTokens

# Before the prefix, before the suffix, before what is to be written.
SPELLINGS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma, Granite 4
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # CodeLlama
    ("<PRE>", "<SUF>", "<MID>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),  # GLM
)
# What such models write after the middle, besides the end of the text.
ENDS = ("▁<EOT>", "<EOT>", "<|fim_pad|>", "<fim_pad>", "<|file_sep|>", "<|file_separator|>", "<|repo_name|>")

NOT_A_TOKEN = "<|no_such_token|>"


def find_fill_tokens(tokenize: Callable[[str], Sequence[int]]) -> FillTokens | None:
    """`tokenize` recognises special tokens; None where the vocabulary has none of these."""
    for spelling in SPELLINGS:
        ids = [single_token(tokenize, text) for text in spelling]
        known = [one for one in ids if one is not None]
        if len(set(known)) == len(spelling):
            return known[0], known[1], known[2]
    return None


def find_ends(tokenize: Callable[[str], Sequence[int]]) -> set[int]:
    """What ends a text that is filled in."""
    return {found for text in ENDS if (found := single_token(tokenize, text)) is not None}


def single_token(tokenize: Callable[[str], Sequence[int]], text: str) -> int | None:
    """None where the vocabulary does not have it; some answer one token for all that they do not know."""
    ids = tokenize(text)
    return ids[0] if len(ids) == 1 and ids != tokenize(NOT_A_TOKEN) else None
