"""Banned phrases against the long way: decode every token behind every text."""

import random
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from modules.engines.hf.detokenizer import PATIENCE_TOKENS, Detokenizer
from modules.engines.hf.phrases import PhraseBan
from modules.engines.hf.token_texts import TokenTexts, read_texts

# Bytes in the tokenizer's own letters, so that characters can be split anywhere.
LETTERS = sorted(ByteLevel.alphabet())


def byte_tokenizer() -> Any:
    """Single bytes, and tokens of several: whole words, and ends of one character with beginnings of the next."""
    byte_of = ByteLevel(add_prefix_space=False).pre_tokenize_str
    pieces = ["ab", "aba", " a", " ab", "Ab", "B!", "a\u00e9", "\u00e9a"]
    longer = ["".join(part for part, _ in byte_of(piece)) for piece in pieces]
    longer += [longer[6][:2], longer[7][1:], "\u00c3", "ba\u00c3"]
    vocabulary = {letter: token for token, letter in enumerate(dict.fromkeys([*LETTERS, *longer]))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


PHRASES = [["ab"], ["B a"], ["\u00e9"], ["a\u00c9b"], ["\U0001f642"], ["aa", "b!", "\u00e9\u00e9"], [" "]]


@pytest.mark.parametrize("phrases", PHRASES, ids="+".join)
def test_just_the_tokens_that_complete_a_phrase_are_forbidden(phrases: list[str]) -> None:
    tokenizer = byte_tokenizer()
    everything = range(len(tokenizer))
    texts = TokenTexts(read_texts(tokenizer, special=False, folded=True))
    near = [token for token in everything if holds_byte(tokenizer, token, phrases)]
    longer = [token for token in everything if token >= len(LETTERS)]
    draws = random.Random(1)
    checked = 0
    for _ in range(100):
        history: list[int] = []
        ban = PhraseBan(phrases, texts, Detokenizer(tokenizer, ()), 0)
        # A reply's text gives up a character that is still broken after more tokens.
        for _ in range(PATIENCE_TOKENS):
            forbidden = ban.forbidden(history)
            expected = {token for token in everything if holds(tokenizer.decode([*history, token]), phrases)}
            assert forbidden == expected
            checked += len(expected - texts.containing(phrases[0].casefold()))
            history.append(draws.choice([token for token in [*near * 8, *longer] if token not in forbidden]))
        assert not holds(tokenizer.decode(history), phrases)
    assert checked > 0 or phrases == [" "]


def holds_byte(tokenizer: Any, token: int, phrases: list[str]) -> bool:
    """Whether a phrase has this byte, so that texts often come near one."""
    written = ByteLevel(add_prefix_space=False).pre_tokenize_str("".join(phrases))
    return tokenizer.convert_ids_to_tokens(token) in "".join(part for part, _ in written)


def holds(text: str, phrases: list[str]) -> bool:
    return any(phrase.casefold() in text.casefold() for phrase in phrases)
