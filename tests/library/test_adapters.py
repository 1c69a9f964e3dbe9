"""Adapters as the library lists them, from their headers alone; what is hostile in them is not followed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modules.errors import BadRequest, NotFound
from modules.library.adapters import AdapterLibrary
from modules.library.library import Library
from tests.engines.tiny_adapters import TARGETS, make_adapter
from tests.engines.tiny_models import make_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    return make_adapter(make_folder(folder / "tiny", "llama"), folder / "adapter", TARGETS["llama"], use_dora=True)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """`models/adapters` with one adapter, `good`."""
    shutil.copytree(made, tmp_path / "models" / "adapters" / "good")
    return tmp_path / "models" / "adapters"


def change_config(adapter: Path, **values: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_an_adapter_says_of_itself(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "file.txt").write_text("x")
    (good,) = AdapterLibrary(folder).adapters()
    assert (good.name, good.kind, good.rank, good.alpha, good.problem) == ("good", "dora", 4, 16.0, "")
    assert good.targets == ("down_proj", "q_proj", "v_proj")
    assert good.base_model.endswith("tiny")
    assert good.size_bytes == (folder / "good" / "adapter_model.safetensors").stat().st_size
    assert AdapterLibrary(folder).find("good") == good


def test_no_folder_is_no_adapter(tmp_path: Path) -> None:
    assert AdapterLibrary(tmp_path / "nothing").adapters() == []


def test_names_that_lead_nowhere(folder: Path) -> None:
    library = AdapterLibrary(folder)
    for name in ("../good", "/etc", "", ".", "good/../good", "-x"):
        with pytest.raises(BadRequest) as caught:
            library.find(name)
        assert caught.value.field == "name"
    with pytest.raises(NotFound, match="There are: good"):
        library.find("bad")


def test_links_out_of_the_folder_are_passed_over(folder: Path, made: Path) -> None:
    (folder / "link").symlink_to(made)
    (folder / "half").mkdir()
    (folder / "half" / "adapter_config.json").symlink_to(made / "adapter_config.json")
    (folder / "good" / "adapter_model.safetensors").unlink()
    (folder / "good" / "adapter_model.safetensors").symlink_to(made / "adapter_model.safetensors")
    (good,) = AdapterLibrary(folder).adapters()
    assert "missing" in good.problem


def test_problems_are_said(folder: Path) -> None:
    library = AdapterLibrary(folder)
    weights = folder / "good" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert "cut short" in library.find("good").problem
    weights.unlink()
    assert "missing" in library.find("good").problem
    (folder / "good" / "adapter_model.bin").write_bytes(b"x")
    assert "pickled" in library.find("good").problem
    change_config(folder / "good", peft_type="IA3")
    good = library.find("good")
    assert (good.kind, "IA3" in good.problem) == ("ia3", True)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "[" * 100_000, "{}", '{"r": "x", "lora_alpha": 1e400, "target_modules": [3]}']
)
def test_configs_that_lie(folder: Path, content: str) -> None:
    (folder / "good" / "adapter_config.json").write_text(content)
    good = AdapterLibrary(folder).find("good")
    assert good.problem
    assert (good.rank, good.alpha, good.targets) == (0, 0.0, ())


def test_adapters_are_no_models(folder: Path) -> None:
    """Some programs save the model's config beside an adapter."""
    (folder / "good" / "config.json").write_text('{"model_type": "llama"}')
    (folder / "lora.gguf").write_bytes(b"GGUF")
    assert [model.id for model in Library(folder.parent).models()] == ["echo"]
