"""Which local models can be taught, which can after a conversion, and why the others cannot."""

import json
from pathlib import Path
from typing import Any

from modules.library.folders import CONFIG, MAX_JSON_BYTES
from modules.types.local_model import LocalModel

WRITES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
# Types of numbers that weights are trained in. What else a folder says of its weights names a way to make them smaller.
PLAIN_WEIGHTS = frozenset({"F32", "F16", "BF16"})
# Architectures, as GGUF files name them, that transformers turns into a folder.
CONVERTIBLE = frozenset({
    "llama", "mistral", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma2", "gemma3", "gpt2", "phi3", "falcon", "bloom",
    "stablelm", "starcoder2", "mamba", "nemotron", "lfm2",
})  # fmt: skip


def trainable(model: LocalModel) -> tuple[bool, str, bool]:
    """(whether it can be trained, why not, whether it is a GGUF that can become a folder that can)."""
    if model.problem:
        return False, model.problem, False
    if model.format == "gguf":
        return gguf_answer(model)
    if model.format != "safetensors" or model.path is None:
        return False, f"{model.title} has no weights on this machine that could be trained.", False
    reason = folder_fault(model, model.path)
    return not reason, reason, False


def gguf_answer(model: LocalModel) -> tuple[bool, str, bool]:
    if len(model.files) > 1:
        return (
            False,
            "A GGUF model in several files cannot be converted; take one in a single file, or its folder.",
            False,
        )
    architecture = model.shape.architecture
    if architecture not in CONVERTIBLE:
        known = ", ".join(sorted(CONVERTIBLE))
        return (
            False,
            f"A GGUF of the architecture {architecture or 'unknown'} cannot be converted. These can: {known}.",
            False,
        )
    return False, "GGUF files cannot be trained; convert it to a folder first.", True


def folder_fault(model: LocalModel, folder: Path) -> str:
    """Empty for a model that can be trained."""
    if model.quantization not in PLAIN_WEIGHTS:
        return (
            f"Its weights are stored in the format {model.quantization or 'unknown'}. Take the model with its original "
            "weights: training can make them smaller by itself (base weights nf4)."
        )
    try:
        content = (folder / CONFIG).read_bytes()[:MAX_JSON_BYTES]
        config: dict[str, Any] = json.loads(content)
        names = [str(name) for name in config.get("architectures") or ()]
        own_code = "auto_map" in config
    except (OSError, ValueError, AttributeError, TypeError):
        return f"Its {CONFIG} cannot be read."
    if own_code:
        return "It needs Python code from its own folder, which training does not run."
    if names and not any(name.endswith(WRITES) for name in names):
        return f"It is a {names[0][:80]}, which writes no text, so there is nothing to teach it here."
    return ""
