"""Adapters with random weights, made and saved by peft itself."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, TaskType, get_peft_model
from transformers import AutoModelForCausalLM

TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "c_fc"],
    "opt": ["q_proj", "fc1"],
    "mamba": ["in_proj"],
}


def base_model(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def make_adapter(base: Path, folder: Path, targets: list[str], seed: int = 0, **values: Any) -> Path:
    """Saves an adapter of the model in `base` that changes what it says."""
    torch.manual_seed(seed)
    config = LoraConfig(**{"r": 4, "lora_alpha": 16, "target_modules": targets, "init_lora_weights": False, **values})
    model: Any = get_peft_model(base_model(base), config)
    for name, tensor in model.named_parameters():
        if "lora_magnitude" in name:
            tensor.data *= 1 + 0.2 * torch.rand_like(tensor)
    model.save_pretrained(folder)
    return folder


def with_adapters(base: Path, dtype: torch.dtype = torch.float32, **folders: Path) -> Any:
    """The model as peft itself runs it, the first adapter active."""
    (first, folder), *others = folders.items()
    model: Any = PeftModel.from_pretrained(base_model(base, dtype), str(folder), adapter_name=first)
    for name, path in others:
        model.load_adapter(str(path), adapter_name=name)
    return model.eval()


def make_prompt(base: Path, folder: Path, vectors: int = 7, seed: int = 0) -> Path:
    """Saves an adapter of prompt tuning, of random vectors that are large enough to change what the model says."""
    torch.manual_seed(seed)
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=vectors)
    model: Any = get_peft_model(base_model(base), config)
    for name, tensor in model.named_parameters():
        if "prompt_encoder" in name:
            tensor.data.normal_(0, 0.6)
    model.save_pretrained(folder)
    return folder
