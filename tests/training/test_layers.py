"""Which layers an adapter is put on is known from headers alone, and as peft would choose them."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from modules.library.folders import read_model_folder, tensor_shapes
from modules.training.layers import ALL_LINEAR, anatomy_of, targeted, unmatched
from tests.engines.tiny_models import make_folder


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3", "phi3", "gpt2", "gpt_neox", "opt"])
@pytest.mark.parametrize("targets", ["all", "some"])
def test_adapters_are_put_on_the_layers_that_were_foretold(kind: str, targets: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path, kind)
    anatomy = anatomy_of(read_model_folder(folder).shape, tensor_shapes(folder))
    chosen = (ALL_LINEAR,) if targets == "all" else anatomy.kinds[:2]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    wanted = ALL_LINEAR if targets == "all" else list(chosen)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=wanted, fan_in_fan_out=kind == "gpt2"))
    count = sum(isinstance(module, LoraLayer) for module in adapted.modules())
    trained = sum(weights.numel() for weights in adapted.parameters() if weights.requires_grad)
    foretold = targeted(anatomy.linears, chosen)
    assert len(foretold) == count
    assert sum(4 * (layer.inputs + layer.outputs) for layer in foretold) == trained
    assert unmatched(anatomy.linears, (*chosen, "q_projx", "roj")) == ["q_projx", "roj"]
