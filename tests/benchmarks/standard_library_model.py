"""A small llama trained on what lies on every machine, Python's own standard library: weights that were never 4-bit."""

import hashlib
import math
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

WORDS = 2048
END = "<end>"
WINDOW = 256
ROWS = 8
# Of this many files one is held out, and these few are learned from: little enough to be learned to the end.
SHARES = 24
HELD_OUT = range(1)
LEARNED = range(1, 5)
LEFT_OUT = {"test", "tests", "site-packages", "dist-packages", "pydoc_data"}
SHAPE: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 0,
}
PEAK_RATE = 2e-3
WARM_UP = 0.03
EVALUATION_SECONDS = 30
EVALUATION_WINDOWS = 64
PATIENCE = 4


def library_texts(shares: range) -> list[str]:
    """The sources, documentation strings included; which share a file belongs to depends on its name alone."""
    root = Path(sysconfig.get_path("stdlib"))
    texts: list[str] = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        number = int(hashlib.sha256(name.as_posix().encode()).hexdigest(), 16)
        if not LEFT_OUT & set(name.parts) and number % SHARES in shares:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return texts


def tokens_of(tokenizer: Any, texts: list[str]) -> Tensor:
    """All texts one after the other, int64 [tokens]."""
    encoded = tokenizer([text + END for text in texts], add_special_tokens=False)["input_ids"]
    return torch.tensor([token for tokens in encoded for token in tokens])


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=WORDS, special_tokens=[END], initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)


def train(folder: Path, seconds: float) -> None:
    """Until the held-out loss has stopped falling, `seconds` at most; the best of it is saved, with its tokenizer."""
    torch.manual_seed(0)
    texts = library_texts(LEARNED)
    tokenizer = train_tokenizer(texts)
    tokens, held_out = tokens_of(tokenizer, texts), tokens_of(tokenizer, library_texts(HELD_OUT))
    model: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    print(f"{model.num_parameters():,} parameters, {len(tokens):,} tokens, {len(held_out):,} held out", flush=True)
    started, evaluated, steps = time.monotonic(), time.monotonic(), 0
    best, worse = math.inf, 0
    learned: dict[str, Tensor] = model.state_dict()
    while (share := (time.monotonic() - started) / seconds) < 1 and worse < PATIENCE:
        rate = PEAK_RATE * min(share / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * share))
        optimizer.param_groups[0]["lr"] = rate
        starts = torch.randint(len(tokens) - WINDOW, (ROWS,)).tolist()
        loss = loss_of(model, torch.stack([tokens[start : start + WINDOW] for start in starts]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        if time.monotonic() - evaluated > EVALUATION_SECONDS:
            now, evaluated = evaluate(model, held_out), time.monotonic()
            if now < best:
                best, worse, learned = now, 0, {name: value.clone() for name, value in model.state_dict().items()}
            else:
                worse += 1
            passes = steps * ROWS * WINDOW / len(tokens)
            print(f"{share:4.0%} {passes:.1f} passes: loss {loss.item():.3f}, held out {now:.3f}", flush=True)
    model.load_state_dict(learned)
    print(f"the best held-out loss, {best:.3f}, is kept", flush=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def evaluate(model: Any, held_out: Tensor) -> float:
    windows = list(held_out_windows(held_out, EVALUATION_WINDOWS, WINDOW))
    with torch.no_grad():
        losses = [loss_of(model, torch.stack(windows[start : start + ROWS])) for start in range(0, len(windows), ROWS)]
    return torch.stack(losses).mean().item()


def loss_of(model: Any, batch: Tensor) -> Tensor:
    """Mean over the next tokens of `batch`, int64 [rows, tokens]."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=batch, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch[:, 1:].flatten())


def held_out_windows(tokens: Tensor, count: int, length: int) -> Iterator[Tensor]:
    """`count` pieces evenly spread over `tokens`, int64 [length]."""
    stride = (len(tokens) - length) // count
    for number in range(count):
        yield tokens[number * stride : number * stride + length]
