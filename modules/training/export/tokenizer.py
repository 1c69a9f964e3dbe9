"""A folder's tokenizer as llama.cpp has it: tokens, their kinds, merges or scores, and special ids."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gguf
from transformers import AutoTokenizer

from modules.errors import ModelError

# transformers is typed only in parts.
tokenizers: Any = AutoTokenizer

BYTES = gguf.TokenType.BYTE
NORMAL, CONTROL, USER, UNUSED, UNKNOWN = (
    gguf.TokenType.NORMAL,
    gguf.TokenType.CONTROL,
    gguf.TokenType.USER_DEFINED,
    gguf.TokenType.UNUSED,
    gguf.TokenType.UNKNOWN,
)
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
# How byte-level tokenizers cut a text into words before they merge, and llama.cpp's word for each way.
GPT2 = "words of GPT-2"
CUTS: Mapping[tuple[str, ...], str] = {
    (GPT2,): "gpt-2",
    ("digits", GPT2): "smollm",
    (
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ): "llama-bpe",
    (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",): "qwen2",
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
        r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ): "tekken",
}


@dataclass(frozen=True)
class ExportedTokenizer:
    """`model` is gpt2 (byte-level, `pre` says how words are cut) or llama (SentencePiece, with `scores`)."""

    model: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    special: Mapping[str, int]
    adds_bos: bool
    chat_template: str
    pre: str = "default"
    merges: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    adds_space: bool = False

    def write(self, writer: Any) -> None:
        """Into a gguf writer."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        if self.merges:
            writer.add_token_merges(self.merges)
        if self.scores:
            writer.add_token_scores(self.scores)
            writer.add_add_space_prefix(self.adds_space)
        for name, number in self.special.items():
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)
        writer.add_add_bos_token(self.adds_bos)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def read_tokenizer(folder: Path, vocabulary: int) -> ExportedTokenizer:
    """`vocabulary` is how many tokens the model has; those that the tokenizer does not know are unused.

    Raises ModelError for a tokenizer that llama.cpp has no like of, by its kind.
    """
    try:
        stored: dict[str, Any] = json.loads((folder / "tokenizer.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            "The model has no tokenizer.json that can be read, and tokenizers of other kinds cannot be written as GGUF."
        ) from error
    model: dict[str, Any] = stored["model"]
    if model.get("type") != "BPE":
        raise ModelError(
            f"A tokenizer of the kind {model.get('type')} cannot be written as GGUF here; byte-pair encoding can (BPE)."
        )
    tokens, kinds = listed(model, stored.get("added_tokens") or [], vocabulary)
    live: Any = tokenizers.from_pretrained(folder, local_files_only=True)
    template: Any = live.chat_template
    if isinstance(template, dict):
        named = cast(dict[str, str], template)
        template = named.get("default") or next(iter(named.values()), "")
    common: dict[str, Any] = {
        "tokens": tokens,
        "special": special_tokens(live, folder),
        "adds_bos": live.bos_token_id is not None and live("a")["input_ids"][:1] == [live.bos_token_id],
        "chat_template": template or "",
    }
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    if is_byte_level(stored):
        check_normalizer(stored)
        return ExportedTokenizer("gpt2", kinds=kinds, pre=cut_of(stored), merges=tuple(pairs), **common)
    if not model.get("byte_fallback"):
        raise ModelError("The tokenizer is neither byte-level nor SentencePiece-like, and cannot be written as GGUF.")
    kinds = tuple(BYTES if is_byte(token) else kind for token, kind in zip(tokens, kinds, strict=True))
    return ExportedTokenizer(
        "llama", kinds=kinds, scores=scores_of(tokens, model["merges"]), adds_space=adds_space(stored), **common
    )


def listed(
    model: dict[str, Any], added: list[dict[str, Any]], vocabulary: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(all tokens in the order of their ids, the kind of each).

    Added tokens that the model has no place for are left out: kin that read images share a tokenizer with those that
    do not.
    """
    added = [token for token in added if token["id"] < vocabulary]
    tokens = [f"[PAD{number}]" for number in range(vocabulary)]
    kinds: list[int] = [UNUSED] * vocabulary
    known: dict[str, int] = model["vocab"]
    largest = max(known.values(), default=0)
    if largest >= vocabulary:
        raise ModelError(
            f"The tokenizer knows the token {largest:,}, but the model has {vocabulary:,} only. They do not belong "
            "together."
        )
    for token, number in known.items():
        tokens[number], kinds[number] = token, NORMAL
    for token in added:
        tokens[token["id"]] = token["content"]
        kinds[token["id"]] = CONTROL if token["special"] else USER
    if (unknown := model.get("unk_token")) in known:
        kinds[known[str(unknown)]] = UNKNOWN
    return tuple(tokens), tuple(kinds)


def special_tokens(live: Any, folder: Path) -> dict[str, int]:
    """By llama.cpp's words. What ends a turn, where that is not what ends a text, is told by the generation config."""
    found = {
        "bos": live.bos_token_id,
        "eos": live.eos_token_id,
        "unknown": live.unk_token_id,
        "padding": live.pad_token_id,
    }
    try:
        ends: Any = json.loads((folder / "generation_config.json").read_bytes()).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        ends = None
    further: list[Any] = [end for end in as_list(ends) if end not in {None, live.eos_token_id}]
    if found["eos"] is None and further:
        found["eos"] = further.pop(0)
    if further:
        found["eot"] = further[0]
    return {name: int(number) for name, number in found.items() if number is not None}


def as_list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else [value]


def parts_of(stage: dict[str, Any] | None, many: str) -> list[dict[str, Any]]:
    """A stage of a tokenizer as the list of what it does."""
    if not stage:
        return []
    return stage[many] if stage["type"] == "Sequence" else [stage]


def is_byte_level(stored: dict[str, Any]) -> bool:
    return any(part["type"] == "ByteLevel" for part in parts_of(stored.get("pre_tokenizer"), "pretokenizers"))


def cut_of(stored: dict[str, Any]) -> str:
    """llama.cpp's word for how words are cut. Raises ModelError for a way that it is not known to have."""
    steps: list[str] = []
    for part in parts_of(stored.get("pre_tokenizer"), "pretokenizers"):
        match part:
            case {"type": "Digits", "individual_digits": True}:
                steps.append("digits")
            case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
                steps.append(pattern)
            case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": cuts}:
                steps += [GPT2] if cuts else []
            case _:
                steps.append(str(part["type"]))
    if tuple(steps) not in CUTS:
        raise ModelError(
            f"The tokenizer cuts words in a way that cannot be written as GGUF here: {' then '.join(steps)[:300]}. "
            f"These can: {', '.join(CUTS.values())}."
        )
    return CUTS[tuple(steps)]


def check_normalizer(stored: dict[str, Any]) -> None:
    """Byte-level tokenizers of llama.cpp read a text as it is. Texts are nearly always in NFC already."""
    kinds = [part["type"] for part in parts_of(stored.get("normalizer"), "normalizers")]
    if further := [kind for kind in kinds if kind != "NFC"]:
        raise ModelError(f"The tokenizer changes texts first, which llama.cpp does not: {', '.join(further)[:200]}.")


def adds_space(stored: dict[str, Any]) -> bool:
    """Whether a space is put before a text."""
    prepends = any(part["type"] == "Prepend" for part in parts_of(stored.get("normalizer"), "normalizers"))
    spaces = parts_of(stored.get("pre_tokenizer"), "pretokenizers")
    return prepends or any(
        part["type"] == "Metaspace" and part.get("prepend_scheme", "always") != "never" for part in spaces
    )


def scores_of(tokens: tuple[str, ...], merges: list[Any]) -> tuple[float, ...]:
    """SentencePiece joins what gives the token of the best score; tokens that are joined earlier score better."""
    first: dict[str, int] = {}
    for place, pair in enumerate(merges):
        first.setdefault("".join(pair.split(" ") if isinstance(pair, str) else pair), place)
    last = len(merges)
    return tuple(-float(first.get(token, last)) for token in tokens)


def is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">")
