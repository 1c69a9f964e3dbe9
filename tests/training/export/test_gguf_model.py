"""A GGUF file says what the folder it was made of says, for every architecture, type and tokenizer that can be written."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from modules.errors import ModelError
from modules.training.export.architectures import ARCHITECTURES, architecture_of
from modules.training.export.gguf_model import write_gguf
from modules.training.export.tokenizer import CUTS
from modules.training.export.weights import read_config
from modules.types.exports import GGUF_KINDS, GGUF_TYPES
from tests.engines.tiny_models import make_folder
from tests.training.export.tiny_exports import (
    TEMPLATE,
    TEXTS,
    assert_same_model,
    byte_level,
    engine_of,
    make_model,
    save,
    told_by,
)

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LONGROPE = {"rope_type": "longrope", "rope_theta": 1e4, "long_factor": [1.0] * 8, "short_factor": [1.0] * 8}
PHI3_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "long_factor": [1.0 + place for place in range(8)],
    "short_factor": [1.0 + place / 5 for place in range(8)],
}
GEMMA3 = {
    "initializer_range": 0.1,
    "query_pre_attn_scalar": 8,
    "sliding_window": 6,
    "num_hidden_layers": 7,
    "layer_types": (["sliding_attention"] * 2 + ["full_attention"]) * 2 + ["sliding_attention"],
}
STRETCHED_APART = {
    "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 5e3},
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama tied": ("llama", {"tie_word_embeddings": True}),
    "llama with long positions": ("llama", {"rope_parameters": LLAMA3_ROPE}),
    "llama stretched": ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
    "mistral": ("mistral", {"sliding_window": 128}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "gemma": ("GemmaConfig", {"initializer_range": 0.1}),
    "gemma2": ("gemma2", {"initializer_range": 0.1, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3", GEMMA3),
    "gemma3 stretched": ("gemma3", {**GEMMA3, "rope_parameters": STRETCHED_APART}),
    "phi3": ("phi3", {"sliding_window": 128}),
    "phi3 that turns a part": ("phi3", {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}),
    "phi3 with short factors": ("phi3", {"original_max_position_embeddings": 256, "rope_parameters": PHI3_ROPE}),
    "phi3 with long factors": ("phi3", {"original_max_position_embeddings": 16, "rope_parameters": PHI3_ROPE}),
    "gpt2": ("gpt2", {}),
}


def exported(folder: Path, type_name: str = "F16") -> Path:
    target = folder.parent / f"{folder.name}-{type_name}.gguf"
    write_gguf(folder, target, type_name, "tiny", lambda _share, _note: None)
    return target


def plain(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_say_the_same(tmp_path: Path, kind: str) -> None:
    architecture, changes = KINDS[kind]
    folder = make_model(tmp_path / "model", architecture, **changes)
    engine = engine_of(exported(folder))
    assert_same_model(plain(folder), told_by(engine), tolerance=0.05)
    assert engine.capabilities.chat_template == TEMPLATE
    assert engine.capabilities.eos_token == "<|end|>"
    assert engine.capabilities.bos_token_id is None
    engine.close()


@pytest.mark.parametrize("type_name", GGUF_TYPES)
@pytest.mark.parametrize("kind", ["gemma3", "phi3"])
def test_types_of_other_kinds(tmp_path: Path, kind: str, type_name: str) -> None:
    """llama.cpp reads what the same values, rounded, say in transformers."""
    architecture, changes = KINDS[kind]
    folder = make_model(tmp_path / "model", architecture, **changes)
    file = exported(folder, type_name)
    architecture_read = architecture_of(read_config(folder))
    read = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    names = architecture_read.tensor_names(7)
    model = plain(folder)
    with torch.no_grad():
        for source, tensor in model.state_dict().items():
            if tensor.ndim > 1 and (name := names.get_name(source, try_suffixes=(".weight",))) in read:
                tensor.copy_(torch.tensor(gguf.quants.dequantize(read[name].data, read[name].tensor_type)))
    engine = engine_of(file)
    # llama.cpp rounds activations to 8 bits beside weights of few.
    assert_same_model(model, told_by(engine), tolerance=0.6 if type_name.startswith("Q") else 0.05)
    engine.close()


@pytest.mark.parametrize("type_name", GGUF_TYPES)
def test_types(tmp_path: Path, type_name: str) -> None:
    """Values come back within the type's error; vectors are exact, and the head has 8 bits where others have 4."""
    folder = make_model(tmp_path / "model", "llama")
    stored = load_file(folder / "model.safetensors")
    read = {tensor.name: tensor for tensor in gguf.GGUFReader(exported(folder, type_name)).tensors}
    expected = "Q8_0" if type_name.startswith("Q4") else type_name
    assert read["output.weight"].tensor_type.name == expected
    assert {read[name].tensor_type.name for name in ("token_embd.weight", "blk.0.ffn_down.weight")} == {type_name}
    assert read["output_norm.weight"].tensor_type.name == "F32"
    assert len(read) == len(stored)
    for source, name in (
        ("model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight"),
        ("lm_head.weight", "output.weight"),
    ):
        tensor = read[name]
        values = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        error = float((values - stored[source]).abs().max() / stored[source].abs().max())
        assert error < {"F16": 1e-3, "BF16": 5e-3, "Q8_0": 5e-3, "Q4_0": 0.08, "Q4_1": 0.08}[tensor.tensor_type.name]


LLAMA3, QWEN2, TEKKEN = (
    next(cut[0] for cut, name in CUTS.items() if name == wanted) for wanted in ("llama-bpe", "qwen2", "tekken")
)
WAYS: dict[str, list[Any]] = {
    "gpt-2": [],
    "smollm": [pre_tokenizers.Digits(individual_digits=True)],
    "llama-bpe": [pre_tokenizers.Split(Regex(LLAMA3), "isolated")],
    "qwen2": [pre_tokenizers.Split(Regex(QWEN2), "isolated")],
    "tekken": [pre_tokenizers.Split(Regex(TEKKEN), "isolated")],
}


@pytest.mark.parametrize("way", CUTS.values())
def test_both_read_texts_alike(tmp_path: Path, way: str) -> None:
    raw = byte_level(*WAYS[way], uses_regex=way in {"gpt-2", "smollm"})
    folder = make_model(tmp_path / "model", "llama", raw)
    engine = engine_of(exported(folder))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    for text in (*TEXTS, "<|user|>Hi<|end|>", *(chr(number) * 3 for number in range(32, 0x250, 7))):
        assert engine.tokenize(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text
    engine.close()


def test_what_can_be_written_is_told() -> None:
    assert set(ARCHITECTURES) == GGUF_KINDS


def changed(folder: Path, file: str, **values: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    words = make_folder(tmp_path / "words", "llama")
    other = make_folder(tmp_path / "other", "mamba")
    uneven = make_model(
        tmp_path / "uneven", "gemma3", **{**GEMMA3, "layer_types": [*GEMMA3["layer_types"][1:], "full_attention"]}
    )
    divided = make_model(tmp_path / "divided", "gemma3", **{**GEMMA3, "query_pre_attn_scalar": 16})
    capped = make_model(tmp_path / "capped", "gemma3", **GEMMA3, attn_logit_softcapping=20.0)
    swept = make_model(
        tmp_path / "swept",
        "gemma3",
        **GEMMA3,
        rope_parameters=dict.fromkeys(STRETCHED_APART, STRETCHED_APART["full_attention"]),
    )
    broken = changed(make_model(tmp_path / "broken", "phi3"), "config.json", num_hidden_layers="many")
    mixture = make_model(tmp_path / "mixture", "mixtral")
    unknown = make_model(tmp_path / "unknown", "llama", byte_level(pre_tokenizers.Punctuation()))
    rope = changed(make_model(tmp_path / "rope", "llama"), "config.json", rope_parameters=LONGROPE)
    small = changed(make_model(tmp_path / "small", "llama"), "config.json", quantization_config={"quant_method": "awq"})
    folded = byte_level()
    folded.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    lower = make_model(tmp_path / "lower", "llama", folded)
    for folder, said in (
        (words, "WordLevel"),
        (other, "mamba"),
        (mixture, "kind mixtral cannot be written as GGUF here. These can: gemma, gemma2, gemma3_text, gpt2, llama"),
        (unknown, "Punctuation then words of GPT-2"),
        (rope, "longrope"),
        (small, "stored quantized"),
        (lower, "Lowercase"),
        (uneven, "equal distances only, and those of this model lie at 2, 5, 7"),
        (divided, "by the root of 8, and this one was made for 16"),
        (capped, "capped scores"),
        (swept, "windowed layers stretch"),
        (broken, "config.json of the model is wrong"),
    ):
        with pytest.raises(ModelError, match=said):
            exported(folder)


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "not finite"), (1e6, "too large for F16")])
def test_numbers_that_no_file_should_hold(tmp_path: Path, value: float, said: str) -> None:
    folder = make_model(tmp_path / "model", "llama")
    stored = load_file(folder / "model.safetensors")
    stored["model.layers.1.mlp.up_proj.weight"][3, 3] = value
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=said):
        exported(folder)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", "llama", vocab_size=320)
    save(byte_level(), folder)
    with pytest.raises(ModelError, match="but the model has 320 only"):
        exported(folder)


def test_added_tokens_that_the_model_lacks(tmp_path: Path) -> None:
    """gemma-3-1b has one for images, which it cannot read."""
    raw = byte_level()
    folder = make_model(tmp_path / "model", "llama", raw, vocab_size=raw.get_vocab_size())
    raw.add_special_tokens([AddedToken("<image>", special=True)])
    save(raw, folder)
    engine = engine_of(exported(folder))
    assert engine.tokenize("<|user|>Hi<|end|>") == raw.encode("<|user|>Hi<|end|>").ids
    engine.close()
