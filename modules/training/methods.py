"""The methods: a model's folder becomes a model of which a part is learned, and that part files again."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PromptTuningConfig,
    get_peft_model,
)
from peft.utils import save_and_load
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from modules.errors import TrainingError
from modules.training.layers import ALL_LINEAR, TABLES, expert_blocks
from modules.training.lora import compute_lean
from modules.types.local_adapter import ADAPTER_WEIGHTS
from modules.types.recipes import BaseWeights, Recipe

# Of a full finetuning: everything that is learned, in one file.
WEIGHTS = "weights.safetensors"
TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.jinja")
# These are typed only in parts.
models: Any = AutoModelForCausalLM
adapters: Any = save_and_load
files: Any = safetensors_torch
randomness: Any = torch.random


@dataclass(frozen=True)
class Learner:
    """`model` computes, with the adapters in its layers; `peft` is peft's wrapper of it, None when all is learned.

    `prompt` are prompt tuning's vectors [tokens, size]. Products are computed in `dtype`, whatever weights are kept in.
    """

    model: Any
    peft: Any | None
    prompt: nn.Parameter | None
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def learned(self) -> dict[str, nn.Parameter]:
        """By their names; tied weights once."""
        whole: nn.Module = self.model if self.peft is None else self.peft
        return {name: weights for name, weights in whole.named_parameters() if weights.requires_grad}

    def save(self, folder: Path) -> None:
        """What is learned, exactly; adapters in peft's own format."""
        if self.peft is None:
            weights = {name: weights.detach().contiguous() for name, weights in self.learned.items()}
            files.save_file(weights, folder / WEIGHTS)
            return
        state = adapters.get_peft_model_state_dict(self.peft, save_embedding_layers=False)
        files.save_file(
            {name: weights.detach().contiguous() for name, weights in state.items()}, folder / ADAPTER_WEIGHTS
        )
        config: Any = self.peft.peft_config["default"]
        was_training, config.inference_mode = config.inference_mode, True
        config.save_pretrained(str(folder))
        config.inference_mode = was_training

    def load(self, folder: Path) -> None:
        """What `save` wrote, into the weights that are there."""
        if self.peft is not None:
            adapters.set_peft_model_state_dict(self.peft, files.load_file(folder / ADAPTER_WEIGHTS))
            return
        saved = files.load_file(folder / WEIGHTS)
        with torch.no_grad():
            for name, weights in self.learned.items():
                weights.copy_(saved[name])

    def save_result(self, folder: Path, source: Path) -> None:
        """What others use: an adapter, or the whole model with the tokenizer of `source`. Nothing is learned after."""
        if self.peft is not None:
            self.save(folder)
            return
        self.model.to(self.dtype).save_pretrained(folder)
        for pattern in TOKENIZER_FILES:
            for path in source.glob(pattern):
                shutil.copyfile(path, folder / path.name)


def make_learner(folder: Path, recipe: Recipe, device: torch.device) -> Learner:
    """Begins the same with every call, by the recipe's seed. Raises TrainingError."""
    randomness.manual_seed(recipe.seed)
    base: BaseWeights = recipe.base_weights or "bfloat16"
    dtype = torch.float32 if base == "float32" else torch.bfloat16
    model = read_model(folder, recipe, base, dtype, device)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.method == "full":
        return Learner(model, None, None, dtype)
    model.requires_grad_(False)
    config = adapter_config(recipe, model)
    try:
        peft = get_peft_model(model, config)
    except ValueError as error:
        raise TrainingError(f"No adapter fits these layers: {str(error)[:400]}", cause="model") from error
    config.base_model_name_or_path = recipe.model
    compute_lean(model)
    prompt = None
    if recipe.method == "prompt_tuning":
        encoders: Any = peft.prompt_encoder
        prompt = encoders["default"].embedding.weight.requires_grad_(True)
    return Learner(model, peft, prompt, dtype)


def read_model(folder: Path, recipe: Recipe, base: BaseWeights, dtype: torch.dtype, device: torch.device) -> Any:
    if recipe.method == "full" and base in {"int8", "nf4"}:
        raise TrainingError(f"All weights cannot be learned while they are kept in {base}; choose lora or bfloat16.")
    silence_casts()
    try:
        model, found = models.from_pretrained(
            folder,
            # What is learned as a whole must keep small changes, which bfloat16 would round away.
            dtype=torch.float32 if recipe.method == "full" else dtype,
            quantization_config=quantization(base),
            device_map={"": device},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, ImportError, AttributeError, RuntimeError, SafetensorError) as error:
        if "can't allocate memory" in str(error) or isinstance(error, torch.OutOfMemoryError):
            raise
        said = str(error).replace(str(folder), recipe.model)[:400]
        raise TrainingError(f"{recipe.model} could not be loaded: {said}", cause="model") from error
    if missing := sorted(found["missing_keys"]):
        raise TrainingError(
            f"Weights of {recipe.model} are missing, {missing[0]} among {len(missing)}. Download the model again.",
            cause="model",
        )
    return model


def quantization(base: BaseWeights) -> Any:
    make: Any = BitsAndBytesConfig
    if base == "int8":
        return make(load_in_8bit=True)
    if base == "nf4":
        return make(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    return None


def adapter_config(recipe: Recipe, model: Any) -> PeftConfig:
    task = "CAUSAL_LM"
    if recipe.method == "prompt_tuning":
        return PromptTuningConfig(
            task_type=task, num_virtual_tokens=recipe.prompt_tokens or 16, prompt_tuning_init="SAMPLE_VOCAB"
        )
    rank = recipe.rank or 8
    return LoraConfig(
        task_type=task,
        r=rank,
        # A whole number where it is one, as other programs expect it.
        lora_alpha=cast(int, whole(recipe.alpha or 2.0 * rank)),
        lora_dropout=recipe.dropout,
        target_modules=targets_of(recipe, model),
        use_rslora=recipe.method == "rslora",
        use_dora=recipe.method == "dora",
        fan_in_fan_out=model.config.model_type == "gpt2",
    )


def targets_of(recipe: Recipe, model: Any) -> str | list[str]:
    """As peft is told. By all linear layers of a mixture it would mean the experts and their router too."""
    targets = recipe.targets or (ALL_LINEAR,)
    blocks = expert_blocks(name for name, _ in model.named_parameters())
    if targets != (ALL_LINEAR,) or not blocks:
        return ALL_LINEAR if targets == (ALL_LINEAR,) else list(targets)
    linears = (name.split(".") for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D))
    return sorted({path[-1] for path in linears if blocks.isdisjoint(path)} - TABLES)


def whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number


def silence_casts() -> None:
    """On a CPU bitsandbytes warns of each layer's inputs in each pass, which nobody can change."""
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(
        lambda record: "inputs will be cast" not in str(record.msg)
    )
