"""Folders that cannot be loaded say why, and no code of theirs runs."""

import json
import pickle
import re
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.loading import load_model
from modules.engines.hf.memory import check_memory
from modules.errors import BadRequest, EngineError, ModelError
from modules.library.library import Library
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, save_tokenizer, tokens_of

CODE = "from pathlib import Path\nPath(r'{canary}').write_text('ran')\nclass Evil: pass\n"


class Canary:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "ran"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "models" / "tiny", "llama")


def change_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def load(folder: Path, **options: Any) -> HfEngine:
    """Through the library, as the program does."""
    model = Library(folder.parent).find(folder.name)
    if model.problem:
        raise ModelError(model.problem)
    return HfEngine(model, HfOptions(**options), lambda *_: None)


def run(engine: HfEngine, *tokens: int, **knobs: Any) -> list[Event]:
    events: list[Event] = []
    request = GenerationRequest("", tokens, 4, (), SamplingParams(**{"temperature": 0.0, **knobs}))
    engine.generate(request, events.append, threading.Event())
    return events


def test_weights_cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut short"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_weights_that_are_none(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}})
    )
    with pytest.raises(ModelError, match="model-00001-of-00002"):
        load(folder)


def test_an_index_that_leads_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "../other/model.safetensors"}})
    )
    with pytest.raises(ModelError, match="outside"):
        load(folder)


def test_missing_tensors_are_not_made_up(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"up_proj"):
        load(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model_type": "no_such_thing"}', "{}"])
def test_configs_that_say_nothing_usable(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError):
        load(folder)


@pytest.mark.parametrize("model_type", ["llama", "no_such_thing"])
def test_code_of_a_folder_never_runs(folder: Path, tmp_path: Path, model_type: str) -> None:
    """A known architecture loads with the library's own code; an unknown one is refused."""
    canary = tmp_path / "canary"
    (folder / "evil.py").write_text(CODE.format(canary=canary))
    mapping = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoTokenizer"), "evil.Evil")
    change_config(folder, model_type=model_type, auto_map=mapping, architectures=["Evil"])
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer |= {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    if model_type == "llama":
        load(folder).close()
    else:
        with pytest.raises(ModelError, match="does not run"):
            load(folder)
    assert not canary.exists()


def test_pickled_weights_are_never_opened(folder: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    load(folder).close()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="pickled"):
        load(folder)
    assert not canary.exists()


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    save_tokenizer(folder, words=400)
    with pytest.raises(ModelError, match="400 tokens, but the model has embeddings for 160"):
        load(folder)


def test_options_that_do_not_go_together(folder: Path) -> None:
    with pytest.raises(ModelError, match="bfloat16"):
        load(folder, weights="int4", dtype="float32")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no GPU"):
            load(folder, device="cuda")


@pytest.mark.parametrize("weights", ["plain", "packed", "int4", "int8", "nf4", "fp4"])
def test_every_form_of_weights_answers(folder: Path, weights: str) -> None:
    engine = load(folder, weights=weights, dtype="bfloat16")
    assert isinstance(run(engine, 5, 6, 7)[-1], Finished)
    engine.close()


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


def test_an_index_with_a_hole(folder: Path) -> None:
    """Both shards are there, but one tensor is in neither."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    del tensors[names[3]]
    shards = {f"model-0000{number + 1}-of-00002.safetensors": names[number::2] for number in range(2)}
    for shard, held in shards.items():
        save_file({name: tensors[name] for name in held if name in tensors}, folder / shard, {"format": "pt"})
    placed = {name: shard for shard, held in shards.items() for name in held}
    for weight_map in (placed, {name: shard for name, shard in placed.items() if name in tensors}):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        with pytest.raises(ModelError, match=re.escape(names[3])):
            load(folder)


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
    ids=str,
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


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash-attn is installed")
def test_attention_kernels_that_are_not_installed(folder: Path) -> None:
    with pytest.raises(ModelError, match="flash-attn"):
        load(folder, attention="flash_attention_2")


def test_broken_numbers_fail_their_request_and_no_other(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"][9] = float("nan")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    engine = load(folder, weights="plain")
    with pytest.raises(EngineError, match="not finite"):
        run(engine, 5, 9)
    assert isinstance(run(engine, 5, 6, logit_bias={"9": -100.0})[-1], Finished)
    engine.close()


def test_tokens_beyond_the_vocabulary_are_refused(folder: Path) -> None:
    engine = load(folder)
    with pytest.raises(BadRequest, match="160"):
        run(engine, 5, 160)
    engine.close()


@pytest.mark.parametrize("limits", [{"cpu_memory_mib": 1}, {"cpu_memory_mib": 1000}])
def test_what_does_not_fit_stays_on_disk(tmp_path: Path, limits: dict[str, int]) -> None:
    """The same words from a model most of which is read from disk when it is needed."""
    folder = make_folder(tmp_path / "models" / "wide", "llama", hidden_size=256, intermediate_size=1024)
    plain, limited = load(folder, weights="plain"), load(folder, weights="plain", **limits)
    is_on_disk = "disk" in set(limited.placement.values())
    assert is_on_disk == (limits["cpu_memory_mib"] == 1)
    assert said(run(limited, 5, 6, 7)) == said(run(plain, 5, 6, 7)) != ""
    plain.close()
    limited.close()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_kernels_agree(folder: Path, attention: str) -> None:
    usual, chosen = load(folder, weights="plain"), load(folder, weights="plain", attention=attention)
    assert said(run(chosen, 5, 6, 7)) == said(run(usual, 5, 6, 7))
    usual.close()
    chosen.close()


NAMED = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]


@pytest.mark.parametrize(
    ("in_config", "in_file", "expected"),
    [
        (None, None, ""),
        ("plain", None, "plain"),
        (None, "of the file", "of the file"),
        ("plain", "of the file", "of the file"),
        (NAMED, None, "plain"),
        (NAMED[:1], None, "tools"),
        ([], None, ""),
    ],
    ids=str,
)
def test_where_chat_templates_live(folder: Path, in_config: Any, in_file: str | None, expected: str) -> None:
    if in_config is not None:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": in_config}))
    if in_file is not None:
        (folder / "chat_template.jinja").write_text(in_file)
    engine = load(folder)
    found = engine.capabilities.chat_template
    engine.close()
    assert found == expected


def test_code_runs_only_when_it_was_allowed_at_the_start(folder: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (folder / "evil.py").write_text(CODE.format(canary=canary))
    change_config(folder, model_type="no_such_thing", auto_map={"AutoConfig": "evil.Evil"})
    with pytest.raises(ModelError):
        load(folder, trust_remote_code=True)
    assert canary.exists()


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
