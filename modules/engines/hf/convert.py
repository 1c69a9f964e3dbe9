"""`python -m modules.engines.hf.convert PARENT_PID` turns one GGUF file into a folder of safetensors.

It answers the order {"source", "target"} with {"fraction", "note"} lines and at last {"done": true} or {"error"}.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules.children import ParentPipe

# llama.cpp's words for tokenizers that read a number digit by digit, and everything else as GPT-2 does.
DIGITS_APART = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})


def main() -> None:
    pipe = ParentPipe()

    def say(**values: Any) -> None:
        pipe.send(json.dumps(values).encode())

    def report(share: float, note: str) -> None:
        say(fraction=share, note=note)

    for line in pipe.lines():
        order = json.loads(line)
        try:
            convert(Path(order["source"]), Path(order["target"]), report)
        except Exception as error:  # noqa: BLE001 - the boundary of this process: every fault becomes an answer
            say(error=explained(error))
        else:
            say(done=True)
        break
    os._exit(0)


def convert(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
    """Weights are dequantized to bfloat16; tokenizer, chat template and generation config come from the file too."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    report(0.0, "reading the tokenizer")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizers: Any = AutoTokenizer
    models: Any = AutoModelForCausalLM
    quantization: Any = GgufConfig
    place = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = tokenizers.from_pretrained(source.parent, **place)
    keep_digits_apart(tokenizer, source)
    report(0.2, "unpacking the weights")
    model = models.from_pretrained(
        source.parent,
        **place,
        dtype=torch.bfloat16,
        quantization_config=quantization(gguf_file=source.name, dequantize=True),
    )
    report(0.8, "writing the folder")
    model.config._name_or_path = ""
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def keep_digits_apart(tokenizer: Any, source: Path) -> None:
    """transformers passes over how a GGUF file says that words are cut; of these ways it knows nothing."""
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    field = GGUFReader(source).fields.get("tokenizer.ggml.pre")
    if field is not None and field.contents() in DIGITS_APART:
        backend: Any = tokenizer.backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
        )


def explained(error: Exception) -> str:
    said = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    if "not supported" in said:
        return f"its architecture cannot be converted: {said}"
    return said


if __name__ == "__main__":
    main()
