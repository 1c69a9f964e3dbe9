"""Adapters say what peft says with them: alone, stacked, and many in one batch; what does not fit is refused."""

import json
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.engines.hf import engine as engine_module
from modules.engines.hf.engine import HfEngine
from modules.engines.hf.fixed import FixedPass
from modules.engines.hf.kind import HfOptions
from modules.errors import BadRequest, Busy, ParlorError
from modules.types.generation import AdapterUse, Event, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.test_hf_loading import Canary
from tests.engines.tiny_adapters import TARGETS, make_adapter, with_adapters
from tests.engines.tiny_models import EOS, PAD, make_folder, tokens_of, words

PROMPT = [5, 9, 17, 33, 65, 129, 40, 41, 42]
ALL = 20
LLAMA = TARGETS["llama"]


class Subject:
    """A tiny model in the engine."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        model = LocalModel(folder.name, folder.name, "safetensors", folder)
        self.engine = HfEngine(model, HfOptions(**{"dtype": "float32", "threads": 1, **options}), lambda *_: None)

    def run(self, *uses: AdapterUse, prompt: list[int] = PROMPT, new: int = 12, n_probs: int = 0) -> list[Event]:
        events: list[Event] = []
        sampling = SamplingParams(temperature=0.0, ignore_eos=True, n_probs=n_probs)
        request = GenerationRequest(words(prompt), tuple(prompt), new, (), sampling, adapters=uses)
        self.engine.generate(request, events.append, threading.Event())
        assert isinstance(events[-1], Finished)
        return events

    def text(self, *uses: AdapterUse, prompt: list[int] = PROMPT, new: int = 12) -> str:
        return said(self.run(*uses, prompt=prompt, new=new))

    def logprobs(self, *uses: AdapterUse) -> dict[int, float]:
        """Of the likeliest tokens after the prompt."""
        events = [event for event in self.run(*uses, new=1, n_probs=ALL) if isinstance(event, TextDelta)]
        return {token_of(choice.token): choice.logprob for choice in events[0].logprobs[0].alternatives}


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def token_of(text: str) -> int:
    special = {"<eos>": EOS, "<pad>": PAD}
    return special[text] if text in special else tokens_of(text)[0]


def reference(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([PROMPT])).logits[0, -1].float(), 0)


def assert_agree(found: dict[int, float], expected: torch.Tensor, tolerance: float = 1e-3) -> None:
    assert len(found) == ALL
    for token, logprob in found.items():
        assert logprob == pytest.approx(float(expected[token]), abs=tolerance)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture(scope="module")
def adapters(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "one": make_adapter(llama, folder / "one", LLAMA, seed=1),
        "two": make_adapter(llama, folder / "two", ["k_proj", "v_proj"], seed=2, r=8),
        "dora": make_adapter(llama, folder / "dora", LLAMA, seed=3, use_dora=True),
    }


@pytest.fixture(scope="module")
def shared(llama: Path, adapters: dict[str, Path]) -> Iterator[Subject]:
    """With all three adapters loaded; tests leave it as they found it. No prefixes: the same sums in the same order."""
    subject = Subject(llama, slots=4, prompt_cache_mib=0)
    for name, folder in adapters.items():
        subject.engine.load_adapter(name, str(folder))
    yield subject
    subject.engine.close()


@pytest.fixture
def copied(adapters: dict[str, Path], tmp_path: Path) -> Path:
    """An adapter that the test may damage."""
    return Path(shutil.copytree(adapters["one"], tmp_path / "copied"))


@pytest.mark.parametrize("values", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["lora", "rslora", "dora"])
@pytest.mark.parametrize(
    ("architecture", "weights"), [("llama", "plain"), ("llama", "packed"), ("gpt2", "plain"), ("mamba", "plain")]
)
def test_as_peft_computes(tmp_path: Path, architecture: str, weights: str, values: dict[str, Any]) -> None:
    folder = make_folder(tmp_path / "model", architecture)
    adapter = make_adapter(folder, tmp_path / "adapter", TARGETS[architecture], **values)
    subject = Subject(folder, weights=weights)
    size_bytes = subject.engine.load_adapter("a", str(adapter))
    expected = reference(with_adapters(folder, a=adapter))
    assert_agree(subject.logprobs(AdapterUse("a")), expected)
    with pytest.raises(AssertionError):
        assert_agree(subject.logprobs(), expected, 0.1)
    saved = sum(tensor.nbytes for tensor in load_file(adapter / "adapter_model.safetensors").values())
    assert saved <= size_bytes < 2 * saved
    subject.engine.close()


def test_patterns_of_ranks_and_alphas(llama: Path, tmp_path: Path) -> None:
    patterns = {
        "rank_pattern": {"v_proj": 2, r".*\.2\.mlp\.down_proj": 6},
        "alpha_pattern": {"layers.1.self_attn.q_proj": 3},
    }
    adapter = make_adapter(llama, tmp_path / "adapter", LLAMA, **patterns)
    subject = Subject(llama)
    subject.engine.load_adapter("a", str(adapter))
    assert_agree(subject.logprobs(AdapterUse("a")), reference(with_adapters(llama, a=adapter)))
    subject.engine.close()


def test_stacked_with_weights(shared: Subject, adapters: dict[str, Path]) -> None:
    model = with_adapters(shared.folder, one=adapters["one"], two=adapters["two"])
    model.add_weighted_adapter(["one", "two"], [0.7, 1.5], "both", combination_type="cat")
    model.set_adapter("both")
    expected = reference(model)
    for uses in ([AdapterUse("one", 0.7), AdapterUse("two", 1.5)], [AdapterUse("two", 1.5), AdapterUse("one", 0.7)]):
        assert_agree(shared.logprobs(*uses), expected)


def test_weights_may_be_zero_or_below(shared: Subject, adapters: dict[str, Path]) -> None:
    model = with_adapters(shared.folder, one=adapters["one"])
    for module in model.modules():
        if hasattr(module, "lora_A"):
            module.scaling["one"] *= -0.5
    assert_agree(shared.logprobs(AdapterUse("one", -0.5)), reference(model))
    assert shared.logprobs(AdapterUse("one", 0.0)) == shared.logprobs()


MIXES: list[tuple[AdapterUse, ...]] = [
    (),
    (AdapterUse("one"),),
    (AdapterUse("two", 0.5), AdapterUse("dora")),
    (AdapterUse("one", -1.0), AdapterUse("two")),
]


def together(subject: Subject, mixes: list[tuple[AdapterUse, ...]]) -> list[str]:
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda place=place, uses=uses: found.update({place: subject.text(*uses, new=60)}))
        for place, uses in enumerate(mixes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[place] for place in range(len(mixes))]


def test_four_mixes_in_one_batch(shared: Subject) -> None:
    alone = [shared.text(*uses, new=60) for uses in MIXES]
    assert len(set(alone)) == 4
    assert together(shared, MIXES) == alone


@pytest.mark.parametrize(
    ("architecture", "speculation", "kind"),
    [
        ("llama", "off", FixedPass),
        ("llama", "lookup", FixedPass),
        ("gpt2", "lookup", None),
        ("opt", "off", None),
        ("mamba", "off", None),
    ],
)
def test_four_mixes_on_other_models(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    speculation: str,
    kind: type[FixedPass] | None,
) -> None:
    """Also where guesses give a row several tokens, where passes have fixed shapes, and where each is computed apart."""
    monkeypatch.setattr(engine_module, "pass_kind", lambda _device: kind)
    folder = make_folder(tmp_path / "model", architecture)
    targets = TARGETS[architecture]
    subject = Subject(folder, slots=4, prompt_cache_mib=0, speculation=speculation)
    for name, values in (("one", {}), ("two", {"r": 2}), ("dora", {"use_dora": True})):
        folder_of_it = make_adapter(folder, tmp_path / name, targets, seed=len(name), **values)
        subject.engine.load_adapter(name, str(folder_of_it))
    alone = [subject.text(*uses, new=60) for uses in MIXES]
    assert len(set(alone)) == 4
    assert together(subject, MIXES) == alone
    subject.engine.close()


@pytest.mark.parametrize("weights", ["plain", "packed", "int4", "int8", "nf4"])
def test_every_form_of_weights(llama: Path, adapters: dict[str, Path], weights: str) -> None:
    """What is added is the adapter's own, however the layers keep their weights."""
    dtype = torch.bfloat16
    subject = Subject(llama, weights=weights, dtype="bfloat16")
    subject.engine.load_adapter("one", str(adapters["one"]))
    all_adapters = subject.engine._adapters
    tensors = load_file(adapters["one"] / "adapter_model.safetensors")
    name = "model.layers.1.self_attn.q_proj"
    down, up = (tensors[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    layer = all_adapters._model.get_submodule(name)
    torch.manual_seed(0)
    inputs = torch.randn(2, 1, 64).to(dtype)

    def compute() -> tuple[torch.Tensor, torch.Tensor]:
        plain = layer(inputs).clone()
        with all_adapters.using([all_adapters.mix([AdapterUse("one", 0.5)]), ()], 1):
            return plain, layer(inputs)

    plain, adapted = subject.engine._scheduler.run_between(compute).result()
    expected = 0.5 * 4 * inputs[0].float() @ down.T @ up.T
    assert torch.allclose((adapted[0] - plain[0]).float(), expected, atol=0.05, rtol=0.05)
    assert float(expected.abs().max()) > 1
    assert torch.equal(adapted[1], plain[1])
    assert subject.text(AdapterUse("one")) != subject.text()
    subject.engine.close()


def cached(events: list[Event]) -> int:
    end = events[-1]
    assert isinstance(end, Finished)
    return end.usage.cached_tokens


def test_prefixes_are_reused_within_a_mix_only(llama: Path, adapters: dict[str, Path]) -> None:
    subject = Subject(llama)
    load = subject.engine.load_adapter
    load("a", str(adapters["one"]))
    a, half = AdapterUse("a"), AdapterUse("a", 0.5)
    prompt = PROMPT * 4
    expected = subject.text(a, prompt=prompt)
    assert [cached(subject.run(*uses, prompt=prompt)) for uses in ([], [half], [])] == [0, 0, len(prompt) - 1]
    again = subject.run(a, prompt=prompt)
    assert (said(again), cached(again)) == (expected, len(prompt) - 1)
    load("a", str(adapters["two"]))
    other = subject.run(a, prompt=prompt)
    assert cached(other) == 0
    assert said(other) != expected
    load("b", str(adapters["one"]))
    assert subject.text(AdapterUse("b"), prompt=prompt) == expected
    subject.engine.close()


def test_unloading_leaves_the_model_as_it_was(llama: Path, adapters: dict[str, Path]) -> None:
    subject = Subject(llama, prompt_cache_mib=0)

    def hooks() -> int:
        return sum(len(module._forward_hooks) for module in subject.engine._adapters._model.modules())

    before = subject.logprobs()
    subject.engine.load_adapter("one", str(adapters["one"]))
    subject.engine.load_adapter("two", str(adapters["two"]))
    assert hooks() == 3 * 4
    assert subject.logprobs() == before
    assert subject.logprobs(AdapterUse("one")) != before
    subject.engine.unload_adapter("one")
    assert hooks() == 3 * 2
    subject.engine.unload_adapter("two")
    assert hooks() == 0
    assert subject.logprobs() == before
    with pytest.raises(BadRequest, match=r"'one' is loaded\. Loaded are: none"):
        subject.run(AdapterUse("one"))
    with pytest.raises(BadRequest, match="'one'"):
        subject.engine.unload_adapter("one")
    subject.engine.close()


def test_what_running_requests_use_stays(llama: Path, adapters: dict[str, Path]) -> None:
    subject = Subject(llama)
    folder = str(adapters["one"])
    subject.engine.load_adapter("one", folder)
    subject.engine.load_adapter("free", folder)
    written, stop, events = threading.Event(), threading.Event(), list[Event]()

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, TextDelta):
            written.set()

    sampling = SamplingParams(temperature=0.0, ignore_eos=True)
    request = GenerationRequest("", tuple(PROMPT), 400, (), sampling, adapters=(AdapterUse("one"),))
    thread = threading.Thread(target=subject.engine.generate, args=(request, emit, stop))
    thread.start()
    assert written.wait(10)
    for change in (lambda: subject.engine.unload_adapter("one"), lambda: subject.engine.load_adapter("one", folder)):
        with pytest.raises(Busy, match="one is used by 1"):
            change()
    subject.engine.unload_adapter("free")
    assert thread.is_alive()
    stop.set()
    thread.join()
    subject.engine.unload_adapter("one")
    subject.engine.close()


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """Tensors by the end of their names; None takes one away."""
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    first = "base_model.model.model.layers.0.self_attn.q_proj."
    for part, tensor in changes.items():
        name = first + part.replace("__", ".")
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path)


def refused(subject: Subject, folder: Path, said: str) -> None:
    """The refusal names what is wrong, and the engine goes on without a part of it."""
    before = subject.logprobs()
    with pytest.raises(BadRequest, match=said) as caught:
        subject.engine.load_adapter("bad", str(folder))
    assert caught.value.field == "name"
    assert subject.logprobs() == before
    with pytest.raises(BadRequest, match="'bad'"):
        subject.run(AdapterUse("bad"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peft_type": "IA3"}, "kind IA3"),
        ({"peft_type": "PREFIX_TUNING"}, "kind PREFIX_TUNING"),
        ({"peft_type": "MAGIC"}, "MAGIC"),
        ({"bias": "all"}, "sets bias to all"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save"),
        ({"trainable_token_indices": [1, 2]}, "sets trainable_token_indices"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "sets layer_replication"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "sets target_parameters"),
        ({"lora_bias": True}, "sets lora_bias"),
        ({"init_lora_weights": "pissa"}, "changed weights"),
        ({"r": 8}, "rank 8"),
        ({"r": "x"}, "rank is x"),
        ({"lora_alpha": "x"}, "alpha x"),
        ({"use_dora": True}, "lora_magnitude_vector"),
        ({"rank_pattern": {"(a+)+b": 3}}, "too complex"),
        ({"rank_pattern": {"[": 3}}, "not valid"),
        ({"rank_pattern": [3]}, "no object"),
    ],
    ids=str,
)
def test_configs_that_cannot_be_applied(shared: Subject, copied: Path, values: dict[str, Any], said: str) -> None:
    change_config(copied, **values)
    refused(shared, copied, said)


@pytest.mark.parametrize("content", ["", "[]", "{", "3", "{}", "[" * 10_000])
def test_configs_that_are_none(shared: Subject, copied: Path, content: str) -> None:
    (copied / "adapter_config.json").write_text(content)
    refused(shared, copied, "cannot be used")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora_A__weight": torch.zeros(4, 32)}, "q_proj goes from 64 to 64 values, the adapter's 32 to 64"),
        ({"lora_B__weight": torch.zeros(9, 4)}, "q_proj goes from 64 to 64 values, the adapter's 64 to 9"),
        ({"lora_A__weight": torch.zeros(4)}, "rank 4, but its weights"),
        ({"lora_B__weight": None}, "q_proj it holds lora_A instead of lora_A, lora_B"),
        ({"lora_A__weight": torch.zeros(4, 64, dtype=torch.int32)}, "int32"),
        ({"lora_A__weight": torch.full((4, 64), float("nan"))}, "not all finite"),
        ({"lora_magnitude_vector": torch.ones(64)}, "lora_magnitude_vector instead of"),
        ({"lora_embedding_A": torch.ones(4, 64)}, "lora_embedding_A, which is no linear"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit(
    shared: Subject, copied: Path, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    change_weights(copied, **changes)
    refused(shared, copied, said)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_weights_that_are_none(shared: Subject, copied: Path, content: bytes) -> None:
    (copied / "adapter_model.safetensors").write_bytes(content)
    refused(shared, copied, "damaged")


def test_pickled_weights_are_never_opened(shared: Subject, copied: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (copied / "adapter_model.safetensors").unlink()
    refused(shared, copied, "adapter_model.safetensors is missing")
    (copied / "adapter_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    refused(shared, copied, "pickled")
    assert not canary.exists()


def test_adapters_of_other_models(shared: Subject, tmp_path: Path) -> None:
    wide = make_folder(tmp_path / "wide", "llama", hidden_size=128)
    refused(
        shared,
        make_adapter(wide, tmp_path / "a", LLAMA),
        "down_proj goes from 128 to 64 .* 128 to 128.*trained on, .*wide",
    )
    gpt2 = make_folder(tmp_path / "gpt2", "gpt2")
    refused(shared, make_adapter(gpt2, tmp_path / "b", TARGETS["gpt2"]), "no layer transformer.h.0.attn.c_attn in it")
    with pytest.raises(ParlorError):
        shared.engine.load_adapter("bad", str(tmp_path / "nothing"))
