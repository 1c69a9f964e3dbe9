"""Whole runs of tiny models in this process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from modules.adapter_files import read_adapter
from modules.training.distributed import Group
from modules.training.layers import linear_layers
from modules.training.loop import step_seed
from modules.training.orders import Order
from modules.training.running import train
from modules.training.telling import RunFolder
from modules.types.recipes import Recipe
from tests.engines.tiny_models import make_folder
from tests.training.runs import make_recipe, make_run, metrics

models: Any = AutoModelForCausalLM
peft_models: Any = PeftModel


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model") / "tiny", "llama", initializer_range=0.1)


class Ended(NamedTuple):
    folder: Path
    end: dict[str, Any]


def run(folder: Path, model: Path, recipe: Recipe, stops: Callable[[], bool] = lambda: False) -> Ended:
    if not folder.is_dir():
        make_run(folder, recipe)
    end = train(Order(folder, model, 1), Group(), RunFolder(folder, lambda line: None), stops)
    return Ended(folder, end)


def stop_after(calls: int) -> Callable[[], bool]:
    asked = iter([False] * (calls - 1))
    return lambda: next(asked, True)


METHODS: list[dict[str, Any]] = [
    {"method": "lora"},
    {"method": "rslora", "gradient_checkpointing": True},
    {"method": "dora"},
    {"method": "full", "learning_rate": 0.003},
    {"method": "full", "base_weights": "bfloat16", "learning_rate": 0.003},
    {"method": "prompt_tuning", "prompt_tokens": 4, "learning_rate": 0.1},
    {"method": "lora", "base_weights": "bfloat16", "dropout": 0.1},
    {"method": "lora", "base_weights": "nf4"},
    {"method": "lora", "base_weights": "int8"},
    {"method": "lora", "optimizer": "adamw_8bit"},
    {"method": "lora", "optimizer": "adafactor"},
    {"method": "lora", "optimizer": "sgd", "learning_rate": 0.3},
    {"method": "lora", "packing": False, "batch_size": 3},
]


@pytest.mark.parametrize("fields", METHODS, ids=lambda fields: "-".join(str(value) for value in fields.values()))
def test_every_method_learns_and_its_result_can_be_used(tmp_path: Path, llama: Path, fields: dict[str, Any]) -> None:
    recipe = make_recipe(**{"steps": 12, "evaluate_every": 6, "checkpoint_every": 12, **fields})
    folder, end = run(tmp_path / "run", llama, recipe)
    assert end == {"kind": "done", "step": 12}
    first, *_, last = metrics(folder, "evaluation")
    assert last["loss"] < first["loss"] - 0.02
    state = torch.tensor([[5, 6, 7, 8]])
    result = folder / "result"
    assert not [path.name for path in result.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]
    if recipe.method == "full":
        tuned, base = models.from_pretrained(result), models.from_pretrained(llama)
        assert (result / "tokenizer.json").is_file()
    else:
        base = models.from_pretrained(llama)
        tuned = peft_models.from_pretrained(models.from_pretrained(llama), result)
    with torch.no_grad():
        ours, theirs = tuned(input_ids=state).logits[0, -4:].float(), base(input_ids=state).logits[0].float()
        assert not torch.allclose(ours, theirs, atol=1e-3)
    if recipe.method in {"lora", "rslora", "dora"}:
        assert read_adapter(result).base_model == "tiny"


@pytest.mark.parametrize(("method", "rate"), [("lora", 0.01), ("full", 0.003)])
def test_gpt2_trains(tmp_path: Path, method: str, rate: float) -> None:
    model = make_folder(tmp_path / "gpt2", "gpt2", initializer_range=0.1)
    folder, end = run(tmp_path / "run", model, make_recipe(steps=12, method=method, learning_rate=rate))
    assert end["kind"] == "done"
    first, *_, last = metrics(folder, "evaluation")
    assert last["loss"] < first["loss"] - 0.02
    if method == "lora":
        assert read_adapter(folder / "result").layers
    else:
        assert models.from_pretrained(folder / "result").config.model_type == "gpt2"


def test_of_a_mixture_of_experts_only_the_other_layers_are_taught(tmp_path: Path) -> None:
    """Those that an adapter can be used on: the experts of a loaded model are no linear layers."""
    model = make_folder(tmp_path / "mixtral", "mixtral", initializer_range=0.1)
    folder, end = run(
        tmp_path / "run", model, make_recipe(steps=30, learning_rate=0.05, evaluate_every=15, checkpoint_every=15)
    )
    assert end["kind"] == "done"
    losses = [line["loss"] for line in metrics(folder, "step")]
    assert sum(losses[-5:]) < sum(losses[:5]) - 0.5
    adapter = read_adapter(folder / "result")
    assert {name.rpartition(".")[2] for name in adapter.layers} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    shapes = {name: tensor.shape for name, tensor in load_file(model / "model.safetensors").items()}
    assert set(adapter.layers) == {layer.name for layer in linear_layers(shapes)}


def test_recurrent_models_train_in_padded_rows(tmp_path: Path) -> None:
    model = make_folder(tmp_path / "mamba", "mamba", initializer_range=0.1)
    folder, end = run(tmp_path / "run", model, make_recipe(method="full", steps=4, batch_size=4))
    assert end["kind"] == "done"
    assert "cannot keep samples in one row apart" in (folder / "log.txt").read_text()


COMPARED = {"loss", "gradient_norm", "learning_rate", "tokens", "trained_tokens", "is_best"}
RESUMED: list[dict[str, Any]] = [
    {"dropout": 0.2},
    {"optimizer": "adamw_8bit", "method": "rslora"},
    {"method": "full", "optimizer": "adafactor"},
    {"method": "prompt_tuning", "packing": False, "batch_size": 2},
]


@pytest.mark.parametrize("fields", RESUMED, ids=lambda fields: "-".join(str(value) for value in fields.values()))
def test_a_resumed_run_comes_to_the_same_numbers(tmp_path: Path, llama: Path, fields: dict[str, Any]) -> None:
    recipe = make_recipe(steps=7, **fields)
    whole, _ = run(tmp_path / "whole", llama, recipe)
    parted, end = run(tmp_path / "parted", llama, recipe, stop_after(3))
    assert end == {"kind": "stopped", "step": 3}
    assert metrics(parted, "result") == [{"kind": "result", "step": 2}]
    assert list((parted / "result").glob("*.safetensors"))
    assert run(parted, llama, recipe).end == {"kind": "done", "step": 7}
    assert_same_run(parted, whole)


def assert_same_run(ours: Path, theirs: Path) -> None:
    """Numbers, and the result's weights, to 1e-5."""
    for kind in ("step", "evaluation"):
        told, expected = metrics(ours, kind), metrics(theirs, kind)
        assert [line["step"] for line in told] == [line["step"] for line in expected]
        for line, other in zip(told, expected, strict=True):
            for name in COMPARED & other.keys():
                assert line[name] == pytest.approx(other[name], rel=1e-5)
    for path in (theirs / "result").glob("*.safetensors"):
        own = load_file(ours / "result" / path.name)
        for name, weights in load_file(path).items():
            torch.testing.assert_close(own[name], weights, rtol=1e-5, atol=1e-6)


def test_a_damaged_checkpoint_is_skipped_for_the_one_before(tmp_path: Path, llama: Path) -> None:
    recipe = make_recipe(steps=6, keep_checkpoints=3)
    whole, _ = run(tmp_path / "whole", llama, recipe)
    damaged = shutil.copytree(whole, tmp_path / "damaged")
    shutil.rmtree(damaged / "result")
    weights = damaged / "checkpoints" / "step-00000006" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    # Half a checkpoint, as a crash leaves it.
    shutil.copytree(damaged / "checkpoints" / "step-00000002", damaged / "checkpoints" / "step-00000008.unfinished")
    assert run(damaged, llama, recipe).end == {"kind": "done", "step": 6}
    assert "step-00000006 is damaged" in (damaged / "log.txt").read_text()
    assert "Goes on behind step 4" in (damaged / "log.txt").read_text()
    assert sorted(path.name for path in (damaged / "checkpoints").iterdir()) == [f"step-0000000{n}" for n in (2, 4, 6)]
    assert_same_run(damaged, whole)


def test_passes_count_by_their_trained_tokens(tmp_path: Path, llama: Path) -> None:
    """One pass over everything, and many of very different lengths, are the same step."""
    together = run(tmp_path / "one", llama, make_recipe(steps=1, batch_size=100, accumulation=1)).folder
    parted = run(tmp_path / "many", llama, make_recipe(steps=1, packing=False, accumulation=100)).folder
    (one,), (many,) = metrics(together, "step"), metrics(parted, "step")
    for name in ("loss", "gradient_norm"):
        assert one[name] == pytest.approx(many[name], rel=1e-4)
    assert one["tokens"] == many["tokens"] > one["trained_tokens"] == many["trained_tokens"]


def test_the_best_checkpoint_is_kept_and_becomes_the_result(tmp_path: Path, llama: Path) -> None:
    recipe = make_recipe(steps=30, learning_rate=0.05, accumulation=1, evaluate_every=3, checkpoint_every=3, patience=2,
                         keep_checkpoints=1, schedule="constant")  # fmt: skip
    folder, end = run(tmp_path / "run", llama, recipe)
    told = metrics(folder, "evaluation")
    best = min(told, key=lambda line: line["loss"])
    assert end["step"] == told[-1]["step"] < 30
    assert [line["is_best"] for line in told[-3:]] == [True, False, False]
    assert told[-3] == best
    checkpoints = {path.name for path in (folder / "checkpoints").iterdir()}
    assert checkpoints == {f"step-{best['step']:08d}", f"step-{end['step']:08d}"}
    result = load_file(folder / "result" / "adapter_model.safetensors")
    expected = load_file(folder / "checkpoints" / f"step-{best['step']:08d}" / "adapter_model.safetensors")
    assert all(torch.equal(result[name], expected[name]) for name in expected)
    assert metrics(folder, "result") == [{"kind": "result", "step": best["step"]}]


def test_prompts_are_answered_by_what_is_kept_too(tmp_path: Path, llama: Path) -> None:
    recipe = make_recipe(steps=30, learning_rate=0.05, accumulation=1, evaluate_every=3, checkpoint_every=100, patience=2,
                         schedule="constant", probes=("t5 t6",), probe_tokens=5)  # fmt: skip
    folder, end = run(tmp_path / "run", llama, recipe)
    [result] = metrics(folder, "result")
    assert result["step"] < end["step"]
    assert [line["step"] for line in metrics(folder, "answer")] == [0, end["step"], result["step"]]


@pytest.mark.parametrize("method", ["lora", "prompt_tuning"])
def test_prompts_are_answered_before_the_run_and_at_checkpoints(tmp_path: Path, llama: Path, method: str) -> None:
    recipe = make_recipe(method=method, probes=("t5 t6", "t90"), probe_tokens=5, learning_rate=0.3)
    folder, _ = run(tmp_path / "run", llama, recipe)
    answers = metrics(folder, "answer")
    assert [(line["step"], line["prompt"]) for line in answers] == [
        (step, prompt) for step in (0, 2, 4) for prompt in recipe.probes
    ]
    assert answers[0]["text"] != answers[-2]["text"]
    # The answer before the run is the model's own.
    if method == "lora":
        ids = torch.tensor([[5, 6]])
        model = models.from_pretrained(llama)
        own = model.generate(
            ids, do_sample=False, max_new_tokens=5, attention_mask=torch.ones_like(ids), pad_token_id=1
        )
        assert answers[0]["text"].split() == [f"t{token}" for token in own[0, 2:].tolist() if token > 1]


def test_a_gradient_that_is_no_number_ends_the_run(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = iter([1.0, 1.0, torch.inf])
    monkeypatch.setattr("modules.training.optimizers.Optimization.gradient_norm", lambda optimization: next(norms))
    folder, end = run(tmp_path / "run", llama, make_recipe())
    assert (end["kind"], end["cause"]) == ("error", "other")
    assert "At step 3 the loss or its gradient is no number any more" in end["message"]
    assert (folder / "checkpoints" / "step-00000002" / "state.json").is_file()


def test_a_model_without_numbers_is_said_before_the_first_step(tmp_path: Path, llama: Path) -> None:
    model = shutil.copytree(llama, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    _, end = run(tmp_path / "run", model, make_recipe())
    assert (end["kind"], end["cause"]) == ("error", "model")


def test_a_full_disk_leaves_the_checkpoint_before_it(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(steps=6)
    folder, _ = run(tmp_path / "run", llama, recipe, stop_after(2))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))  # type: ignore[misc]
    end = run(folder, llama, recipe).end
    assert (end["kind"], end["cause"]) == ("error", "disk")
    assert "no room for a checkpoint" in end["message"]
    monkeypatch.undo()
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000002"]
    assert run(folder, llama, recipe).end == {"kind": "done", "step": 6}


@pytest.fixture
def greedy_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that asks for more memory than any machine has."""
    asked = iter(range(100))

    def ask(seed: int, step: int, rank: int) -> int:
        if next(asked) == 3:
            torch.empty(2**50)
        return step_seed(seed, step, rank)

    monkeypatch.setattr("modules.training.loop.step_seed", ask)


@pytest.mark.usefixtures("greedy_memory")
def test_too_little_memory_is_said_and_what_was_saved_stays(tmp_path: Path, llama: Path) -> None:
    folder, end = run(tmp_path / "run", llama, make_recipe(steps=6))
    assert (end["kind"], end["cause"]) == ("error", "out_of_memory")
    assert (folder / "checkpoints" / "step-00000002" / "state.json").is_file()


@pytest.mark.parametrize(
    ("fields", "cause", "words"),
    [
        ({"targets": ("no_such_layer",)}, "model", "No adapter fits these layers"),
        ({"method": "full", "base_weights": "nf4"}, "other", "cannot be learned while they are kept in nf4"),
        ({"objective": "chat"}, "data", "no sample with a token to learn"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    tmp_path: Path, llama: Path, fields: dict[str, Any], cause: str, words: str
) -> None:
    _, end = run(tmp_path / "run", llama, make_recipe(**fields))
    assert (end["kind"], end["cause"]) == ("error", cause)
    assert words in end["message"]


def test_a_model_that_cannot_be_read_is_said(tmp_path: Path, llama: Path) -> None:
    model = shutil.copytree(llama, tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"no weights")
    _, end = run(tmp_path / "run", model, make_recipe())
    assert (end["kind"], end["cause"]) == ("error", "model")


def test_lines_are_whole_and_in_order(tmp_path: Path, llama: Path) -> None:
    sent: list[dict[str, Any]] = []
    folder = make_run(tmp_path / "run", make_recipe())
    listener = RunFolder(folder, lambda line: sent.append(json.loads(line)))
    train(Order(folder, llama, 1), Group(), listener, lambda: False)
    assert [line for line in sent if line["kind"] != "status"] == metrics(folder)
    kinds = [(line["kind"], line["step"]) for line in metrics(folder)]
    assert kinds == [
        ("evaluation", 0), ("step", 1), ("step", 2), ("evaluation", 2), ("checkpoint", 2),
        ("step", 3), ("step", 4), ("evaluation", 4), ("checkpoint", 4), ("result", 4),
    ]  # fmt: skip
    steps = metrics(folder, "step")
    assert all(line["memory_bytes"] > 50_000_000 and line["tokens_per_second"] > 0 for line in steps)
    assert steps[0]["seconds"] < steps[1]["seconds"]
