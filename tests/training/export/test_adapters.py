"""Adapters merged into a folder, and put on llama.cpp: both as peft itself applies them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from modules.adapter_files import read_adapter
from modules.errors import BadRequest, Busy, ModelError
from modules.library.folders import read_model_folder
from modules.training.export.folder import write_folder
from modules.training.export.gguf_adapter import GgufShape, write_adapter
from modules.training.export.gguf_model import write_gguf
from modules.training.export.weights import MergedWeights, StoredWeights, read_config
from modules.types.generation import AdapterUse
from tests.engines.tiny_adapters import TARGETS, base_model, make_adapter, with_adapters
from tests.training.export.tiny_exports import as_local, assert_same_model, engine_of, make_model, told_by

MODELS: dict[str, list[str]] = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "up_proj"],
    "gemma3": ["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"],
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "gpt2": ["c_attn", "c_fc", "c_proj"],
}
CHANGES: dict[str, dict[str, Any]] = {"gemma3": {"initializer_range": 0.1, "query_pre_attn_scalar": 8}}
# What can be merged, but is no model for llama.cpp here.
MERGED = {**MODELS, "mixtral": ["q_proj", "o_proj"]}
SETTINGS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 2, "c_fc": 2}, "alpha_pattern": {"v_proj": 3.0, "c_attn": 3.0}},
}


def merged_into(base: Path, adapter: Path, target: Path) -> Path:
    target.mkdir()
    weights = MergedWeights(StoredWeights(base), read_config(base), read_adapter(adapter))
    write_folder(weights, base, target, lambda _share, _note: None)
    return target


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("architecture", MERGED)
def test_merged_as_peft_merges(tmp_path: Path, architecture: str, settings: str) -> None:
    base = make_model(tmp_path / "base", architecture, **CHANGES.get(architecture, {}))
    adapter = make_adapter(base, tmp_path / "one", MERGED[architecture], **SETTINGS[settings])
    target = merged_into(base, adapter, tmp_path / "merged")
    described = read_model_folder(target)
    assert (described.quantization, described.has_chat_template) == ("BF16", True)
    found, expected = base_model(target).state_dict(), with_adapters(base, one=adapter).merge_and_unload().state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor.to(torch.bfloat16).float()) or close(found[name], tensor), name


def close(found: Any, expected: Any) -> bool:
    """Sums in another order may round to the neighbouring number, which is 1/128 away at most."""
    return bool(((found - expected).abs() <= expected.abs() / 128 + 1e-6).all())


def test_shards_keep_their_places(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", "llama")
    base_model(base).save_pretrained(base, max_shard_size="100KB")
    (base / "model.safetensors").unlink()
    adapter = make_adapter(base, tmp_path / "one", TARGETS["llama"])
    target = merged_into(base, adapter, tmp_path / "merged")
    assert len(read_model_folder(target).weights) == len(list(base.glob("*.safetensors"))) > 2
    expected = with_adapters(base, one=adapter).merge_and_unload().state_dict()
    assert all(close(tensor, expected[name]) for name, tensor in base_model(target).state_dict().items())


def test_an_adapter_of_another_model(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", "llama")
    other = make_model(tmp_path / "other", "llama", hidden_size=32)
    deeper = make_model(tmp_path / "deeper", "llama", num_hidden_layers=5)
    for model, said in ((other, r"has the shape \[64, 64\]"), (deeper, r"no weights for model.layers.\d")):
        adapter = make_adapter(model, tmp_path / f"on-{model.name}", ["q_proj"])
        with pytest.raises(ModelError, match=said):
            merged_into(base, adapter, tmp_path / f"merged-{model.name}")


@pytest.mark.parametrize("settings", ["lora", "rslora", "patterns"])
@pytest.mark.parametrize("architecture", MODELS)
def test_on_llamacpp_as_in_peft(tmp_path: Path, architecture: str, settings: str) -> None:
    base = make_model(tmp_path / "base", architecture, **CHANGES.get(architecture, {}))
    write_gguf(base, tmp_path / "base.gguf", "F16", "tiny", lambda _share, _note: None)
    engine = engine_of(tmp_path / "base.gguf")
    plain = told_by(engine)
    folders = {
        name: make_adapter(base, tmp_path / name, MODELS[architecture], seed=seed, lora_alpha=2, **SETTINGS[settings])
        for seed, name in enumerate(("one", "two"), start=1)
    }
    for name, folder in folders.items():
        write_adapter(read_adapter(folder), shape_of(tmp_path / "base.gguf"), tmp_path / f"{name}.gguf")
        assert engine.load_adapter(name, str(tmp_path / f"{name}.gguf")) > 1000
    assert told_by(engine) == plain
    for name, folder in folders.items():
        assert_same_model(with_adapters(base, **{name: folder}), told_by(engine, [AdapterUse(name)]), tolerance=0.05)
    both = told_by(engine, [AdapterUse("one", 0.5), AdapterUse("two", -1.0)])
    assert both not in (plain, told_by(engine, [AdapterUse("one", 0.5)]))
    assert told_by(engine, [AdapterUse("one", 0.0)]) == plain
    engine.unload_adapter("one")
    assert_same_model(with_adapters(base, two=folders["two"]), told_by(engine, [AdapterUse("two")]), tolerance=0.05)
    with pytest.raises(BadRequest, match="Loaded are: two"):
        told_by(engine, [AdapterUse("one")])
    with pytest.raises(BadRequest, match="Loaded are: two"):
        engine.unload_adapter("one")
    engine.close()


def test_llamacpp_stays_as_it_was_when_an_adapter_does_not_fit(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", "llama")
    write_gguf(base, tmp_path / "base.gguf", "F16", "tiny", lambda _share, _note: None)
    wider = make_model(tmp_path / "wider", "llama", hidden_size=128)
    for name, model in (("good", base), ("wide", wider)):
        adapter = make_adapter(model, tmp_path / name, ["q_proj"])
        write_adapter(read_adapter(adapter), shape_of(tmp_path / "base.gguf"), tmp_path / f"{name}.gguf")
    engine = engine_of(tmp_path / "base.gguf")
    engine.load_adapter("good", str(tmp_path / "good.gguf"))
    expected = told_by(engine, [AdapterUse("good")])
    with pytest.raises(BadRequest, match="another size"):
        engine.load_adapter("wide", str(tmp_path / "wide.gguf"))
    assert told_by(engine, [AdapterUse("good")]) == expected
    with engine._turns.asking(), pytest.raises(Busy, match="answering"):
        engine.unload_adapter("good")
    engine.close()


def test_what_llamacpp_cannot_apply(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", "llama")
    dora = read_adapter(make_adapter(base, tmp_path / "dora", ["q_proj"], use_dora=True))
    lora = read_adapter(make_adapter(base, tmp_path / "lora", ["q_proj"]))
    gpt2 = make_model(tmp_path / "gpt2", "gpt2")
    foreign = read_adapter(make_adapter(gpt2, tmp_path / "foreign", ["c_attn"]))
    for adapter, architecture, said in (
        (dora, "llama", "DoRA"),
        (lora, "rwkv7", "rwkv7"),
        (foreign, "llama", "no transformer.h.0.attn.c_attn"),
    ):
        with pytest.raises(BadRequest, match=said):
            write_adapter(adapter, GgufShape(architecture, 3, 4, 2), tmp_path / "x.gguf")


def shape_of(file: Path) -> GgufShape:
    shape = as_local(file).shape
    return GgufShape(shape.architecture, shape.layers, shape.heads, shape.kv_heads)


def test_nothing_is_read_but_what_is_asked(tmp_path: Path) -> None:
    """Tensors come one at a time, in the type they are stored in."""
    base = make_model(tmp_path / "base", "llama")
    weights = StoredWeights(base)
    stored = load_file(base / "model.safetensors")
    ((file, names),) = weights.files.items()
    assert (file, set(names)) == ("model.safetensors", set(stored))
    assert all(torch.equal(weights.read(name), stored[name]) for name in names)
