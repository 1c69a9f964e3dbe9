"""What a load takes, predicted from headers: the arithmetic by hand, and real workers."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from modules.children import Launcher
from modules.engines.hf import footprint as hf
from modules.engines.hf.kind import HF, HfOptions
from modules.engines.llamacpp import memory as llamacpp
from modules.engines.llamacpp.kind import LLAMACPP, CacheType, LlamaCppOptions
from modules.engines.llamacpp.plan import make_plan
from modules.engines.protocol import EngineKind
from modules.library.library import Library
from modules.machine import read_machine
from modules.types.local_model import LocalModel, ModelShape
from modules.types.machine import Gpu, Machine
from tests.engines.memory_probe import MIB, measure, tolerance
from tests.engines.tiny_gguf import make_gguf
from tests.engines.tiny_models import make_folder

GIB = 2**30
MACHINE = Machine(2, 64 * GIB, 64 * GIB)


def gguf(quantization: str = "Q8_0", size_bytes: int = GIB, **shape: Any) -> LocalModel:
    known = {"architecture": "llama", "parameters": 10**9, "layers": 10, "kv_heads": 2, "key_length": 64}
    values = {**known, "value_length": 64, "heads": 8, "context_length": 8192, **shape}
    return LocalModel("m", "M", "gguf", size_bytes=size_bytes, shape=ModelShape(**values), quantization=quantization)


@pytest.mark.parametrize(
    ("cache", "shape", "tokens", "slots", "expected"),
    [
        ("f16", {}, 1024, 1, 1024 * 10 * 2 * 128 * 2),
        ("f16", {}, 1024, 4, 4 * 1024 * 10 * 2 * 128 * 2),
        ("f32", {}, 1024, 1, 1024 * 10 * 2 * 128 * 4),
        ("q8_0", {}, 1024, 1, 1024 * 10 * 2 * 128 * 34 // 32),
        ("q4_0", {}, 1024, 1, 1024 * 10 * 2 * 128 * 18 // 32),
        # Places come in steps of 256.
        ("f16", {}, 1000, 1, 1024 * 10 * 2 * 128 * 2),
        # Every head has keys of its own.
        ("f16", {"kv_heads": 8}, 1024, 1, 1024 * 10 * 8 * 128 * 2),
        # Layers that differ are counted together.
        ("f16", {"kv_values": 1000}, 1024, 1, 1024 * 1000 * 2),
        # No attention at all.
        ("f16", {"kv_heads": 0}, 1024, 1, 0),
        # Every other layer sees 256 tokens, and a batch besides.
        ("f16", {"architecture": "gemma2", "sliding_window": 192}, 4096, 1, (4096 + 256) * 5 * 2 * 128 * 2),
        # A window that this engine does not use.
        ("f16", {"sliding_window": 192}, 4096, 1, 4096 * 10 * 2 * 128 * 2),
        # A context within the window.
        ("f16", {"architecture": "gemma2", "sliding_window": 8192}, 1024, 1, 1024 * 10 * 2 * 128 * 2),
    ],
)
def test_llamacpp_cache(cache: CacheType, shape: dict[str, Any], tokens: int, slots: int, expected: int) -> None:
    footprint = llamacpp.Footprint(gguf(**shape), LlamaCppOptions(cache_type=cache))
    assert footprint.cache_bytes(tokens, slots, 64) == expected


def test_llamacpp_keeps_some_weights_twice() -> None:
    assert llamacpp.Footprint(gguf("Q8_0"), LlamaCppOptions()).weights_bytes == GIB
    assert llamacpp.Footprint(gguf("Q4_0"), LlamaCppOptions()).weights_bytes == 2 * GIB
    assert llamacpp.Footprint(gguf("Q4_0"), LlamaCppOptions(mmap=False)).weights_bytes == GIB
    assert llamacpp.Footprint(gguf("Q4_0"), LlamaCppOptions(), on_gpu=True).weights_bytes == GIB


def test_llamacpp_scores_need_room_without_flash_attention() -> None:
    flash = llamacpp.Footprint(gguf(), LlamaCppOptions()).compute_bytes(4096, 1, 64)
    scores = llamacpp.Footprint(gguf(), LlamaCppOptions(flash_attention="off")).compute_bytes(4096, 1, 64)
    assert scores - flash == 64 * 4096 * 8 * 4


def test_the_plan_and_the_estimate_are_one() -> None:
    options = LlamaCppOptions(context_length=2048, slots=2)
    plan = make_plan(gguf(), options, MACHINE)
    assert LLAMACPP.estimate(gguf(), options, MACHINE) == plan.memory
    assert (plan.memory.context_length, plan.memory.slots) == (2048, 2)


@pytest.mark.parametrize(
    ("free", "asked", "layers", "share"), [(16 * GIB, -1, 11, 1.0), (GIB, -1, 2, 0.2), (16 * GIB, 0, 0, 0.0)]
)
def test_as_many_layers_as_fit_go_to_the_gpu(free: int, asked: int, layers: int, share: float) -> None:
    machine = Machine(2, 64 * GIB, 64 * GIB, (Gpu("card", 24 * GIB, free),))
    plan = make_plan(gguf(size_bytes=GIB), LlamaCppOptions(gpu_layers=asked, slots=1, context_length=1024), machine)
    assert plan.gpu_layers == layers
    assert plan.memory.gpu_bytes == pytest.approx(share * (GIB + plan.memory.cache_bytes), rel=0.1)


def test_only_active_experts_are_read() -> None:
    whole = LLAMACPP.token_cost(gguf(), LlamaCppOptions())
    sparse = LLAMACPP.token_cost(gguf(experts=8, active_experts=2), LlamaCppOptions())
    assert sparse.read_bytes < whole.read_bytes / 2.5
    assert sparse.tokens_per_second(25e9) > 2 * whole.tokens_per_second(25e9)


def folder(width: int = 2, **shape: Any) -> LocalModel:
    known = {"architecture": "llama", "parameters": 10**9, "layers": 10, "kv_heads": 2, "key_length": 64}
    sizes = {"value_length": 64, "context_length": 8192, "vocabulary": 10**5, "embedding_length": 1000}
    values = {**known, **sizes, **shape}
    return LocalModel("m", "M", "safetensors", size_bytes=width * 10**9, shape=ModelShape(**values))


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        # The mapped file, and what was packed beside it: all but the embeddings, or the shared head too.
        ({}, {}, 2.0e9 + 1.8e9),
        ({}, {"tied_embeddings": True}, 2.0e9 + 2.0e9),
        ({"weights": "plain"}, {}, 2.0e9),
        # Converted numbers are copies; of the file nothing stays.
        ({"dtype": "float32"}, {}, 0.4e9 + 3.6e9),
        ({"dtype": "float32", "weights": "plain"}, {}, 4.0e9),
        ({"weights": "int4"}, {}, 2.0e9 + 1.8e9 + 0.9e9 * 0.625),
        # Embeddings and head stay as they are; the mapped file stays beside.
        ({"weights": "int8"}, {}, 0.8e9 + 0.4e9 + 2.0e9),
        ({"weights": "nf4"}, {}, 0.8e9 * 0.53 + 0.4e9 + 2.0e9),
        # Recurrent models are left as they are.
        ({}, {"kv_heads": 0}, 2.0e9),
    ],
)
def test_transformers_weights(options: dict[str, Any], shape: dict[str, Any], expected: float) -> None:
    assert hf.Footprint(folder(**shape), HfOptions(**options)).weights_bytes == pytest.approx(expected, abs=10)


def test_a_recurrent_model_that_reads_prompts_whole_needs_room_for_it() -> None:
    shape = {"kv_heads": 0, "embedding_length": 768, "state_size": 16}
    said = [
        HF.estimate(folder(architecture=name, **shape), HfOptions(context_length=2048), MACHINE).compute_bytes
        for name in ("mamba", "mamba2")
    ]
    assert said[0] - said[1] == 43 * 1024 * 2 * 768 * 16


def test_transformers_rows_grow_for_all_slots_and_one_prompt_is_kept() -> None:
    per_token = 10 * 2 * 128 * 2
    said = HF.estimate(folder(), HfOptions(context_length=1000, slots=3), MACHINE)
    assert said.cache_bytes == 3 * 1024 * per_token + 1000 * per_token
    assert said.growing_bytes == said.cache_bytes
    assert said.bytes_after(500) == said.total_bytes - said.cache_bytes // 2
    nothing_kept = HF.estimate(folder(), HfOptions(context_length=1000, slots=3, prompt_cache_mib=0), MACHINE)
    assert nothing_kept.cache_bytes == 3 * 1024 * per_token


def test_rows_grow_no_further_than_eight_steps_beyond_what_is_needed() -> None:
    assert [hf.row_capacity(tokens) for tokens in (1, 256, 257, 1024, 2048)] == [256, 256, 512, 1024, 2048]
    assert all(tokens <= hf.row_capacity(tokens) <= tokens + 9 * 256 for tokens in range(1, 40_000, 777))


# Pages of libraries that the tests' own process has too: a worker is charged half of those.
SHARED = 8 * MIB


def check(launcher: Launcher, kind: EngineKind, model: LocalModel, options: dict[str, Any]) -> None:
    predicted = kind.estimate(model, kind.options.model_validate(options), read_machine(())).total_bytes
    actual = measure(launcher, kind, model, options).peak_bytes
    assert -tolerance(actual) <= predicted - actual <= tolerance(actual) + SHARED, (
        f"{predicted / MIB:.0f} MiB, in truth {actual / MIB:.0f}"
    )


@pytest.mark.parametrize(
    "options",
    [{"context_length": 512, "slots": 1}, {"context_length": 1024, "slots": 2, "cache_type": "q8_0"}],
    ids=str,
)
@pytest.mark.alone
def test_a_llamacpp_worker_takes_what_was_predicted(
    launcher: Launcher, starter_file: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """A copy of the file: of pages that other programs have mapped too, a worker is charged its share only."""
    shutil.copyfile(starter_file, tmp_path / starter_file.name)
    check(launcher, LLAMACPP, Library(tmp_path).find("starter"), options)


@pytest.mark.alone
def test_a_small_llamacpp_worker_takes_what_was_predicted(launcher: Launcher, tmp_path: Path) -> None:
    make_gguf(tmp_path / "tiny.gguf")
    check(launcher, LLAMACPP, Library(tmp_path).find("tiny"), {})


@pytest.mark.parametrize("name", ["llama", "gemma3", "mixtral", "gpt2"])
@pytest.mark.alone
def test_a_small_transformers_worker_takes_what_was_predicted(launcher: Launcher, tmp_path: Path, name: str) -> None:
    make_folder(tmp_path / "tiny", name)
    check(launcher, HF, Library(tmp_path).find("tiny"), {"threads": 1})


@pytest.mark.parametrize("options", [{}, {"weights": "int8"}, {"dtype": "float32"}], ids=str)
@pytest.mark.alone
def test_a_transformers_worker_takes_what_was_predicted(
    launcher: Launcher, starter_folder: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """A copy here too."""
    shutil.copytree(starter_folder, tmp_path / "copied")
    model = Library(tmp_path).find("copied")
    check(launcher, HF, model, {"context_length": 512, "slots": 1, **options})
