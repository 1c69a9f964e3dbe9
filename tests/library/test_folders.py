"""Folders in Hugging Face format as the library lists them; what is hostile in them is not followed."""

import json
from pathlib import Path

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
