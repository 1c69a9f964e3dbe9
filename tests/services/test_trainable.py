"""Which models can be taught: by their format, their weights and what they are for."""

import json
from pathlib import Path
from typing import Any

import pytest

from modules.library.library import Library
from modules.library.starter import STARTER
from modules.services.trainable import trainable
from modules.services.trainable_models import TrainableModels
from modules.types.local_model import LocalModel, ModelShape
from tests.engines.tiny_models import make_encoder, make_folder


def config_with(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_folders(tmp_path: Path) -> None:
    make_folder(tmp_path / "writes", "llama")
    make_encoder(tmp_path / "embeds", "bert-masked")
    config_with(make_folder(tmp_path / "small", "llama"), quantization_config={"quant_method": "gptq", "bits": 4})
    config_with(make_folder(tmp_path / "coded", "llama"), auto_map={"AutoModelForCausalLM": "x.Y"})
    found = {model.id: trainable(model) for model in Library(tmp_path).models() if model.format == "safetensors"}
    assert found["writes"] == (True, "", False)
    for name, said in (("embeds", "BertForMaskedLM"), ("small", "GPTQ 4-bit"), ("coded", "Python code")):
        is_trainable, reason, is_convertible = found[name]
        assert (is_trainable, is_convertible) == (False, False)
        assert said in reason


def test_the_starter_can_be_converted(models_folder: Path) -> None:
    assert trainable(Library(models_folder).find("starter"))[0::2] == (False, True)


def test_what_a_file_became_is_named_beside_it(models_folder: Path) -> None:
    folder = make_folder(models_folder / "taught", "llama")
    models = TrainableModels(Library(models_folder))
    assert {one.model.id: one.converted for one in models.all()} == {"starter": "", "taught": ""}
    (folder / "parlor-origin.json").write_text(json.dumps({"file": STARTER.file_name}))
    assert {one.model.id: one.converted for one in models.all()} == {"starter": "taught", "taught": ""}
    (folder / "parlor-origin.json").write_text("[")
    assert not any(one.converted for one in models.all())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (LocalModel("x", "x", "gguf", Path("x"), shape=ModelShape("rwkv6")), "rwkv6"),
        (LocalModel("x", "x", "gguf", Path("x"), shape=ModelShape("llama"), files=(Path("a"), Path("b"))), "several"),
        (LocalModel("x", "x", "gguf", Path("x"), problem="It is cut short."), "cut short"),
        (LocalModel("x", "x", "echo"), "no weights"),
    ],
    ids=["architecture", "several files", "damaged", "no file"],
)
def test_what_can_never_be(model: LocalModel, said: str) -> None:
    is_trainable, reason, is_convertible = trainable(model)
    assert (is_trainable, is_convertible) == (False, False)
    assert said in reason
