"""Folders that are quantized already, bitsandbytes' options, and models that memory cannot hold."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from modules.engines.hf.kind import HfOptions
from modules.engines.hf.loading import load_model
from modules.engines.hf.memory import check_memory
from modules.errors import ModelError
from modules.library.library import Library
from tests.engines.test_hf_loading import change_config, load, run, said
from tests.engines.tiny_models import make_folder, save_tokenizer, tokens_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "models" / "tiny", "llama")


@pytest.mark.parametrize("form", ["nf4", "int8"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_what_is_quantized_already_loads_as_it_is(folder: Path, form: str, dtype: str) -> None:
    """The same words as from the model that was saved, in the numbers it was saved in."""
    stored = save_quantized(folder, form, dtype)
    for weights in ("auto", form):
        engine = load(stored, weights=weights)
        found = tokens_of(said(run(engine, 5, 6, 7)))
        engine.close()
        assert dtype in engine.capabilities.notes[0]
        assert found == generated(stored, 5, 6, 7)
    for options in ({"weights": "plain"}, {"weights": "int4"}, {"weights": "fp4"}, {"dtype": "float32"}):
        with pytest.raises(ModelError, match=rf"quantized already \({form} of bitsandbytes\).*auto"):
            load(stored, **options)


def save_quantized(folder: Path, form: str, dtype: str) -> Path:
    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if form == "int8"
        else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=form, bnb_4bit_compute_dtype=dtype)
    )
    target = folder.parent / "stored"
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=config, dtype=getattr(torch, dtype), device_map="cpu"
    )
    model.save_pretrained(target)
    save_tokenizer(target)
    return target


def generated(folder: Path, *tokens: int) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu")
    return model.generate(torch.tensor([tokens]), max_new_tokens=4, do_sample=False)[0, len(tokens) :].tolist()


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"quant_method": "gptq", "bits": 4}, "GPTQ.*optimum, gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "AWQ.*gptqmodel"),
        ({"quant_method": "hqq"}, "HQQ"),
        ({"quant_method": "magic"}, "magic"),
        ({"bits": 4}, "not known"),
        ("text", "could not be loaded"),
        ([], "could not be loaded"),
    ],
    ids=str,
)
def test_quantized_formats_that_cannot_be_read(folder: Path, stored: Any, said: str) -> None:
    change_config(folder, quantization_config=stored)
    with pytest.raises(ModelError, match=said):
        load(folder)


def test_options_of_bitsandbytes(folder: Path, tmp_path: Path) -> None:
    for double, compute in ((True, "float32"), (False, "auto")):
        options = HfOptions(weights="nf4", double_quantization=double, compute_dtype=compute, dtype="bfloat16")
        model, _ = load_model(Library(folder.parent).find(folder.name), options, lambda *_: None, str(tmp_path))
        layers = [one for one in model.modules() if type(one).__name__ == "Linear4bit"]
        assert layers
        assert {one.compute_dtype for one in layers} == {torch.float32 if compute == "float32" else torch.bfloat16}
        assert {one.weight.quant_state.nested for one in layers} == {double}


def test_int8_does_not_fill_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = load(folder, weights="int8", dtype="bfloat16")
    run(engine, 5, 6, 7)
    engine.close()
    assert [record.message for record in caplog.records if "cast" in record.message] == []


def test_memory_that_runs_out_while_loading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch has no class of its own for that on a CPU."""
    monkeypatch.setattr("modules.engines.hf.loading.pack", lambda _model: torch.empty(2**52))
    with pytest.raises(ModelError, match=r"not enough memory.*nf4"):
        load(folder)


@pytest.mark.parametrize(
    ("options", "helps"),
    [
        ({}, {"nf4", "bfloat16", "cpu_memory_mib"}),
        ({"dtype": "bfloat16"}, {"nf4", "cpu_memory_mib"}),
        ({"weights": "int8"}, {"nf4"}),
        ({"weights": "nf4"}, set()),
    ],
    ids=["as it is", "bfloat16", "int8", "nf4"],
)
def test_what_is_larger_than_the_free_memory_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], helps: set[str]
) -> None:
    monkeypatch.setattr("modules.engines.hf.memory.psutil.virtual_memory", lambda: SimpleNamespace(available=60_000))
    (folder / "tokenizer.json").unlink()  # it is not even looked at
    with pytest.raises(ModelError, match=r"not enough memory.*smaller model") as refused:
        load(folder, **options)
    assert set(re.findall(r"option \w+ to (\w+)|option (cpu_memory_mib)", str(refused.value))) == {
        ("", word) if word == "cpu_memory_mib" else (word, "") for word in helps
    }


def test_a_limit_of_memory_lets_a_large_model_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "models" / "wide", "llama", hidden_size=256, intermediate_size=1024)
    model = Library(folder.parent).find("wide")
    free = SimpleNamespace(available=4 * model.shape.parameters - 1)
    monkeypatch.setattr("modules.engines.hf.memory.psutil.virtual_memory", lambda: free)
    with pytest.raises(ModelError, match="not enough memory"):
        check_memory(model, HfOptions(), torch.float32, on_gpu=False, is_quantized=False)
    check_memory(model, HfOptions(), torch.bfloat16, on_gpu=False, is_quantized=False)
    check_memory(model, HfOptions(cpu_memory_mib=1), torch.float32, on_gpu=False, is_quantized=False)


def test_quantized_weights_cannot_stay_on_disk(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "models" / "wide", "llama", hidden_size=256, intermediate_size=1024)
    with pytest.raises(ModelError, match="cannot stay on disk"):
        load(folder, weights="nf4", cpu_memory_mib=1)
