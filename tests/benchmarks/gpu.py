"""The transformers engine on a GPU, with random weights in the shape of a real model.

usage: python -m tests.benchmarks.gpu [1b|8b|tiny]
One stream against what the memory's bandwidth allows, and 32 streams against one. `tiny` also runs on a CPU, to try
the program itself; its numbers mean nothing.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from modules.children import Launcher
from modules.engines.process import EngineProcess
from modules.library.library import Library
from tests.benchmarks.transformers_engine import speed_together
from tests.engines.tiny_models import save_tokenizer

# hidden, intermediate, layers, heads, heads of keys, vocabulary: those of Llama 3.2 1B and Llama 3.1 8B.
SHAPES = {
    "tiny": (256, 512, 2, 4, 2, 1000),
    "1b": (2048, 8192, 16, 32, 8, 128_256),
    "8b": (4096, 14_336, 32, 32, 8, 128_256),
}
ROUNDS = 5
TOKENS = 200
STREAMS = 32


def make_folder(folder: Path, shape: str) -> None:
    hidden, intermediate, layers, heads, kv_heads, vocabulary = SHAPES[shape]
    config: Any = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=4096,
        tie_word_embeddings=shape == "1b",
        eos_token_id=0,
        bos_token_id=None,
        dtype="bfloat16",
    )
    torch.set_default_dtype(torch.bfloat16)
    make: Any = AutoModelForCausalLM.from_config
    make(config).save_pretrained(folder)
    torch.set_default_dtype(torch.float32)
    save_tokenizer(folder, min(vocabulary, 1000))


def bandwidth() -> float:
    """Bytes a second that a sum over one GiB reads."""
    numbers = torch.ones(2**29, dtype=torch.bfloat16, device="cuda")
    numbers.sum()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(50):
        numbers.sum()
    torch.cuda.synchronize()
    return 50 * numbers.nbytes / (time.perf_counter() - started)


def together(engine: EngineProcess, count: int) -> float:
    """Tokens a second of all streams."""
    return speed_together(engine, [[10 + stream, *range(20, 60)] for stream in range(count)], TOKENS)


def main() -> None:
    shape = sys.argv[1] if len(sys.argv) > 1 else "1b"
    on_gpu = torch.cuda.is_available()
    if not on_gpu and shape != "tiny":
        sys.exit("PyTorch finds no GPU here; only the shape tiny can be tried.")
    with tempfile.TemporaryDirectory() as models:
        make_folder(Path(models) / shape, shape)
        model = Library(Path(models)).find(shape)
        engine = EngineProcess(Launcher(), lambda: None)
        options = {"dtype": "bfloat16", "slots": STREAMS, "context_length": 1024}
        engine.load("transformers", model, options, print)
        together(engine, 1)
        together(engine, STREAMS)
        alone = statistics.median(together(engine, 1) for _ in range(ROUNDS))
        crowd = statistics.median(together(engine, STREAMS) for _ in range(ROUNDS))
        engine.end()
    print(torch.cuda.get_device_name() if on_gpu else "CPU")
    if on_gpu:
        bound = bandwidth() / model.size_bytes
        print(f"one stream {alone:.1f} tok/s, the bandwidth allows {bound:.1f}: {alone / bound:.2f}, target >= 0.6")
    print(f"{STREAMS} streams {crowd:.1f} tok/s together, one {alone:.1f}: x{crowd / alone:.1f}, target >= 15")


if __name__ == "__main__":
    main()
