"""Folders in Hugging Face format as the library lists them; what is hostile in them is not followed."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules.errors import ModelError
from modules.library.folders import read_model_folder
from modules.library.library import Library
from tests.engines.tiny_models import make_encoder, make_folder


def test_a_folder_is_one_model(tmp_path: Path) -> None:
    make_folder(tmp_path / "maker" / "tiny", "qwen3")
    (tmp_path / "no-model").mkdir()
    (tmp_path / "no-model" / "config.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    models = {model.id: model for model in Library(tmp_path).models()}
    assert set(models) == {"maker/tiny", "echo"}
    tiny = models["maker/tiny"]
    assert (tiny.format, tiny.problem) == ("safetensors", "")
    assert tiny.size_bytes == (tmp_path / "maker" / "tiny" / "model.safetensors").stat().st_size
    shape = tiny.shape
    assert (shape.architecture, shape.layers, shape.kv_heads, shape.key_length) == ("qwen3", 3, 2, 8)
    assert shape.context_length == 512
    assert shape.parameters * 4 <= tiny.size_bytes


def test_an_encoder_is_one_model_with_all_its_parts(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "maker" / "encoder", "bert")
    for part in ("1_Pooling", "2_Dense"):
        (folder / part).mkdir()
        (folder / part / "config.json").write_text("{}")
    (folder / "2_Dense" / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    model, _ = Library(tmp_path).models()
    assert (model.id, model.problem, model.shape.architecture) == ("maker/encoder", "", "bert")
    assert model.shape.context_length == 130


def test_a_change_is_noticed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "tiny", "llama")
    library = Library(tmp_path)
    assert library.find("tiny").problem == ""
    (folder / "model.safetensors").write_bytes(b"x")
    assert "damaged" in library.find("tiny").problem


def test_links_out_of_the_folder_are_passed_over(tmp_path: Path) -> None:
    make_folder(tmp_path / "outside" / "tiny", "llama")
    models = tmp_path / "models"
    models.mkdir()
    (models / "link").symlink_to(tmp_path / "outside" / "tiny")
    (models / "half").mkdir()
    (models / "half" / "config.json").symlink_to(tmp_path / "outside" / "tiny" / "config.json")
    (models / "half" / "model.safetensors").write_bytes(b"x")
    assert [model.id for model in Library(models).models()] == ["echo"]


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9999999]}}',
        b'{"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 8]}}',
        b'{"a": 5}',
    ],
)
def test_headers_that_lie(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(ModelError):
        read_model_folder(tmp_path)


def test_what_a_folder_says_of_itself(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "tiny", "qwen3")
    (folder / "README.md").write_text("---\ntags: [a]\nlicense: apache-2.0\n---\n# Tiny\nlicense: none\n")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    model = Library(tmp_path).find("tiny")
    assert (model.licence, model.has_chat_template, model.quantization) == ("apache-2.0", True, "F32")
    assert model.files == (folder / "model.safetensors",)
    shape = model.shape
    assert shape.heads
    assert shape.embedding_length
    assert shape.feed_forward_length
    assert shape.vocabulary


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"quant_method": "gptq", "bits": 4}, "GPTQ 4-bit"),
        ({"quant_method": "awq", "bits": 4}, "AWQ 4-bit"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "NF4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "INT8"),
        ({"quant_method": "fp8"}, "FP8"),
        ("odd", "F32"),
    ],
    ids=str,
)
def test_quantizations(tmp_path: Path, config: Any, name: str) -> None:
    folder = make_folder(tmp_path / "tiny", "llama")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "quantization_config": config}))
    assert Library(tmp_path).find("tiny").quantization == name


def test_packed_weights_count_as_what_they_stand_for(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "I32", "shape": [4, 2], "data_offsets": [0, 32]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(32))
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "gptq", "bits": 4}}))
    assert read_model_folder(tmp_path).shape.parameters == 8 * 8


def test_layers_without_keys_and_values_do_not_count(tmp_path: Path) -> None:
    kinds = ["linear_attention", "linear_attention", "full_attention"]
    folder = make_folder(tmp_path / "tiny", "qwen3")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "layer_types": kinds}))
    shape = read_model_folder(folder).shape
    assert shape.kv_bytes_per_token() == shape.kv_heads * (shape.key_length + shape.value_length) * 2
