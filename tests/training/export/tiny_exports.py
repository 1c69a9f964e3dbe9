"""Tiny models with tokenizers that llama.cpp has the like of, and both engines' word on them."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.library.headers import read_gguf_header
from modules.types.generation import AdapterUse, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import ARCHITECTURES, make_folder

TOKENS = 416
SPECIAL = ("<|end|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXTS = (
    "The quick brown fox doesn't jump over 12345 lazy dogs.",
    "  Two spaces,\n\na tab\tand DON'T SHOUT!!!\r\n\n  ",
    "Zwölf Boxkämpfer jagen Viktor; naïve café — 東京 is 3,141.59€ 👍🏽",
    "def f(x):\n    return x**2  # ten == 10\n\n\n",
)
PROMPT = (3, 77, 120, 9, 301, 44, 260, 333, 7, 290, 12, 399, 61, 350, 5, 270, 88, 310)
GEMMA: dict[str, Any] = {"head_dim": 8, "num_key_value_heads": 2}


def byte_level(*before: Any, uses_regex: bool = True) -> Tokenizer:
    """A tokenizer that was trained on a few sentences, so that there is something to merge."""
    raw = Tokenizer(models.BPE())
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=uses_regex)
    raw.pre_tokenizer = pre_tokenizers.Sequence([*before, last]) if before else last  # type: ignore[assignment]
    raw.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet: list[str] = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer: Any = trainers.BpeTrainer(
        vocab_size=TOKENS - len(SPECIAL) - 5, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([*TEXTS, *TEXTS], trainer)
    raw.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    return raw


def save(raw: Tokenizer, folder: Path) -> None:
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)


def make_model(folder: Path, architecture: str, raw: Tokenizer | None = None, **changes: Any) -> Path:
    """With a few tokens that its tokenizer does not know."""
    # Larger weights make much of the little that numbers of 16 bits lose.
    values = {"vocab_size": TOKENS, "eos_token_id": None, "pad_token_id": None, "initializer_range": 0.2, **changes}
    if architecture in ARCHITECTURES:
        make_folder(folder, architecture, **values)
    else:
        make_other(folder, architecture, values)
    save(raw or byte_level(), folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return folder


def make_other(folder: Path, architecture: str, values: dict[str, Any]) -> None:
    """Of a kind that nobody else needs."""
    _, common = ARCHITECTURES["llama"]
    config: Any = getattr(transformers, architecture)(**{**common, **GEMMA, **values})
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)


def as_local(file: Path) -> LocalModel:
    return LocalModel("tiny", "tiny", "gguf", file, file.stat().st_size, shape=read_gguf_header(file).shape)


def engine_of(file: Path) -> LlamaCppEngine:
    options = LlamaCppOptions(context_length=256, slots=1, threads=1, prompt_cache_mib=0)
    return LlamaCppEngine(as_local(file), options, lambda _fraction, _note: None)


def told_by(engine: LlamaCppEngine, adapters: Sequence[AdapterUse] = ()) -> list[dict[int, float]]:
    """Of each place of a text, the likeliest next tokens with their logprobs.

    llama.cpp tells nothing where it would write a part of a character.
    """
    places: list[dict[int, float]] = []

    def emit(event: Any) -> None:
        if isinstance(event, TextDelta):
            for one in event.logprobs:
                places[-1] |= {choice.id: choice.logprob or 0.0 for choice in one.alternatives}

    sampling = SamplingParams(temperature=0.0, n_probs=5, ignore_eos=True)
    for length in range(4, len(PROMPT)):
        places.append({})
        request = GenerationRequest("", PROMPT[:length], 1, sampling=sampling, adapters=tuple(adapters))
        engine.generate(request, emit, Flag())
    return places


def assert_same_model(model: Any, places: list[dict[int, float]], tolerance: float) -> None:
    """At every place transformers gives the same tokens about the same logprobs."""
    with torch.inference_mode():
        expected = model(torch.tensor([PROMPT])).logits[0].float().log_softmax(-1)
    for length, place in enumerate(places, start=4):
        for token, logprob in place.items():
            difference = abs(float(expected[length - 1, token]) - logprob)
            assert difference < tolerance, (length, token, difference)
    assert sum(bool(place) for place in places) >= 5


def base_of(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def told_in(model: Any) -> list[dict[int, float]]:
    """As `told_by`, by transformers."""
    with torch.inference_mode():
        logprobs = model(torch.tensor([PROMPT])).logits[0].float().log_softmax(-1)
    return [
        {int(token): float(logprobs[length - 1, token]) for token in logprobs[length - 1].topk(5).indices}
        for length in range(4, len(PROMPT))
    ]
