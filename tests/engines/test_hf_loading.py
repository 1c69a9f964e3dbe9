"""Folders that cannot be loaded say why, and no code of theirs runs."""

import json
import pickle
import re
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.errors import BadRequest, EngineError, ModelError
from modules.library.library import Library
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, save_tokenizer

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
    return HfEngine(model, HfOptions(**{"threads": 1, **options}), lambda *_: None)


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
