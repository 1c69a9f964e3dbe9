"""What a token adds to a text, with tokenizers as the two great families have them."""

from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from modules.engines.hf.vocabulary import Vocabulary


def metaspace_tokenizer() -> Any:
    """As sentencepiece makes them: a word's token has its space, bytes stand for what is in no vocabulary."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁world", *"▁helowrd"]
    vocabulary = {word: number for number, word in enumerate(words)}
    native = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    native.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    native.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    native.add_special_tokens(["<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=native, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    weights = SimpleNamespace(weight=torch.zeros(len(tokenizer), 1))
    model = SimpleNamespace(get_input_embeddings=lambda: weights, generation_config=None)
    return Vocabulary(tokenizer, model)


def test_a_word_keeps_its_space_and_a_byte_stays_a_byte() -> None:
    tokenizer = metaspace_tokenizer()
    vocabulary = vocabulary_of(tokenizer)
    word = vocabulary.choice(tokenizer.convert_tokens_to_ids("▁world"), -0.5)
    assert (word.token, bytes(word.token_bytes)) == (" world", b" world")
    half = vocabulary.choice(tokenizer.convert_tokens_to_ids("<0xC3>"), -0.5)
    assert (half.token, half.token_bytes) == ("\N{REPLACEMENT CHARACTER}", (0xC3,))
    assert half.id == tokenizer.convert_tokens_to_ids("<0xC3>")
