"""How long listing 500 models takes: `python -m tests.benchmarks.library`.

Seven of ten are GGUF files with vocabularies of 32,000 to 150,000 tokens and as many merges, their weights a hole in the
file; the others are folders of two shards. "Cold" has no descriptions in memory, and their headers in the system's cache
of files, as on any machine that has listed them since it was started.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from modules.library.library import Library
from tests.library.gguf_files import gguf_header, llama_values

MODELS = 500
TENSORS = 300
ROUNDS = 5


def main() -> None:
    models = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_models(folder, models)
        cold, warm = [], []
        for _ in range(ROUNDS):
            library = Library(folder)
            cold.append(seconds_of(library, models))
            warm.append(seconds_of(library, models))
        for name, times in (("cold", cold), ("warm", warm)):
            median, low, high = (1000 * sorted(times)[index] for index in (len(times) // 2, 0, -1))
            print(f"listing {models} models, {name}: {median:.0f} ms ({low:.0f}..{high:.0f})")


def seconds_of(library: Library, models: int) -> float:
    started = time.perf_counter()
    found = library.models()
    seconds = time.perf_counter() - started
    assert len(found) == models + 1
    assert not any(model.problem for model in found), next(model.problem for model in found if model.problem)
    return seconds


def make_models(folder: Path, models: int) -> None:
    vocabularies = [gguf_of(tokens) for tokens in (32_000, 50_000, 100_000, 150_000)]
    for number in range(models):
        if number % 10 < 7:
            path = folder / f"maker-{number % 40}" / f"model-{number}-Q4_K_M.gguf"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(vocabularies[number % len(vocabularies)])
            with path.open("r+b") as file:
                file.truncate(4 * 10**9)
        else:
            make_folder(folder / f"maker-{number % 40}" / f"folder-{number}")


def gguf_of(tokens: int) -> bytes:
    chance = random.Random(tokens)
    texts = ["x" * chance.randint(1, 14) for _ in range(tokens)]
    merges = [f"{first[:6]} {second[:6]}" for first, second in zip(texts, reversed(texts), strict=True)]
    vocabulary = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": [1] * tokens,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.chat_template": "{{ messages }}" * 200,
        "general.quantization_version": 2,
    }
    values = {key: value for key, value in llama_values().items() if not key.startswith("tokenizer.")}
    tensors = tuple((f"blk.{number // 9}.weight_{number}.weight", (4096, 1024), 12) for number in range(TENSORS))
    return gguf_header({**values, **vocabulary}, tensors)


def make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x" * 4000, "tokens": ["y"] * 20_000}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n" + "words " * 2000)
    for shard in (1, 2):
        names = [f"model.layers.{number}.weight_{shard}" for number in range(TENSORS // 2)]
        entry = {"dtype": "BF16", "shape": [4096, 1024], "data_offsets": [0, 8_388_608]}
        header = json.dumps(dict.fromkeys(names, entry)).encode()
        with (folder / f"model-0000{shard}-of-00002.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(2 * 10**9)


if __name__ == "__main__":
    main()
