"""The training lens: a sample's tokens as a person can read them, each with what becomes of it."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from modules.training.encoding import EncodedSample
from modules.types.training import LensSample, LensToken

# Of one sample; more would only slow the page down.
SHOWN_TOKENS = 4096
BYTES = 256
BROKEN = "\N{REPLACEMENT CHARACTER}"
WORD_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
TEXTS = 65_536


class Lens:
    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._pad: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
        self._text = lru_cache(TEXTS)(self._read_text)

    def look(self, sample: EncodedSample, pack: int, width: int) -> LensSample:
        """`width` is what the sample is padded to; as long as itself it is not."""
        length = len(sample.input_ids)
        return LensSample(
            row=sample.row,
            pack=pack,
            tokens=tuple(islice(self._tokens(sample, width), SHOWN_TOKENS)),
            share_trained=sample.trained_tokens / length,
            flags=sample.flags,
            hidden_tokens=max(max(length, width) + sample.cut_tokens - SHOWN_TOKENS, 0),
        )

    def _tokens(self, sample: EncodedSample, width: int) -> Iterator[LensToken]:
        for token, is_trained in zip(sample.input_ids, sample.trained, strict=True):
            yield LensToken(token, self._text(token), "trained" if is_trained else "masked")
        for _ in range(width - len(sample.input_ids)):
            yield LensToken(self._pad, self._text(self._pad), "padded")
        for token in sample.cut_ids:
            yield LensToken(token, self._text(token), "truncated")

    def _read_text(self, token: int) -> str:
        """What it adds to a text. Bytes that are no whole character are shown as such: <E6>."""
        piece: str = self._tokenizer.convert_ids_to_tokens(token) or ""
        if token in self._tokenizer.added_tokens_decoder:
            return piece
        if self._is_byte_level:
            return readable(bytes(self._byte_of[letter] for letter in piece))
        text: str = self._tokenizer.decode([token])
        if piece.startswith(WORD_SPACE) and not text.startswith(" "):
            return " " + text
        return piece if BROKEN in text else text

    @cached_property
    def _is_byte_level(self) -> bool:
        """Whether every piece of the vocabulary is written in letters that stand for bytes."""
        pieces: list[str] = self._tokenizer.convert_ids_to_tokens(
            self._tokenizer(" \n\u00e9", add_special_tokens=False)["input_ids"]
        )
        return "\u0120" in "".join(pieces) and all(letter in self._byte_of for letter in "".join(pieces))

    @cached_property
    def _byte_of(self) -> dict[str, int]:
        """GPT-2's letters for bytes: themselves where they can be seen, and from U+0100 on where they cannot."""
        seen = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, BYTES)]
        unseen = [byte for byte in range(BYTES) if byte not in seen]
        return {chr(byte): byte for byte in seen} | {chr(BYTES + place): byte for place, byte in enumerate(unseen)}


def readable(raw: bytes) -> str:
    """UTF-8, each byte that belongs to no whole character in angle brackets."""
    parts: list[str] = []
    while raw:
        try:
            return "".join([*parts, raw.decode()])
        except UnicodeDecodeError as error:
            parts.append(raw[: error.start].decode())
            parts += [f"<{byte:02X}>" for byte in raw[error.start : error.end]]
            raw = raw[error.end :]
    return "".join(parts)
