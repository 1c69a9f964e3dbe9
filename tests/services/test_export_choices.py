"""What is offered says how large it will be, within a few hundredths of what is written."""

from pathlib import Path

import pytest

from modules.library.folders import read_model_folder
from modules.services.export_choices import gguf_bytes, merged_bytes
from modules.training.export.gguf_model import write_gguf
from modules.types.exports import GGUF_TYPES, GgufType
from tests.training.export.tiny_exports import make_model


@pytest.mark.parametrize("type_name", GGUF_TYPES)
def test_sizes(tmp_path: Path, type_name: GgufType) -> None:
    folder = make_model(tmp_path / "model", "llama", hidden_size=256, intermediate_size=512)
    shape = read_model_folder(folder).shape
    write_gguf(folder, tmp_path / "x.gguf", type_name, "x", lambda _share, _note: None)
    assert (tmp_path / "x.gguf").stat().st_size == pytest.approx(gguf_bytes(shape, type_name), rel=0.04)
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert merged_bytes(shape) == pytest.approx(stored / 2, rel=0.02)
