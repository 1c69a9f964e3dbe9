"""Why a load failed: what engines really said, and loads that really fail."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from modules.children import Launcher
from modules.engines.faults import death, explained
from modules.engines.process import EngineProcess
from modules.errors import ModelError
from modules.library.library import Library
from modules.types.local_model import LocalModel
from tests.engines.tiny_models import make_folder

MIB = 2**20
LLAMA = "llama.cpp could not load Story: Failed to init server, please check the input params."
LOADER = "0.00.110.440 E llama_model_load: error loading model: "
AFTER = "\n0.00.110.448 E llama_model_load_from_file_impl: failed to load model"
OLD_DRIVER = "CUDA error: CUDA driver version is insufficient for CUDA runtime version"

SAID = [
    (LLAMA, LOADER + "unknown model architecture: 'lzzma'" + AFTER, "unsupported_architecture", "lzzma"),
    (LLAMA, LOADER + "unknown pre-tokenizer type: 'zz'" + AFTER, "unsupported_architecture", "tokenizer zz"),
    (
        LLAMA,
        LOADER
        + "tensor 'blk.15.attn_output.weight' data is not within the file bounds, model is corrupted or incomplete",
        "damaged_file",
        "Download it again",
    ),
    (LLAMA, "gguf_init_from_reader: invalid magic characters: 'XXXX', expected 'GGUF'", "damaged_file", "Download"),
    (LLAMA, LOADER + "check_tensor_dims: tensor 'blk.3.attn_k.weight' not found" + AFTER, "damaged_file", "attn_k"),
    (
        LLAMA,
        "gguf_init_from_file: failed to open GGUF file '/x/missing.gguf' (No such file or directory)",
        "missing_file",
        "lacks a file",
    ),
    (LLAMA, LOADER + "mmap failed: Cannot allocate memory" + AFTER, "out_of_memory", "context_length"),
    (LLAMA, "E ggml_aligned_malloc: insufficient memory (attempted to allocate 720.00 MB)", "out_of_memory", "slots"),
    (
        LLAMA,
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 720.00 MiB on device 0: cudaMalloc failed: out of memory",
        "out_of_memory",
        "GPU's memory",
    ),
    ("RuntimeError('" + OLD_DRIVER + "')", "", "gpu", "driver"),
    ("ModuleNotFoundError(\"No module named 'einops'\")", "", "missing_package", "einops"),
    ("MemoryError()", "", "out_of_memory", "smaller model"),
    ("TimeoutError('timed out')", "", "timeout", "too long"),
    ("Something else.", "Some warning.", "unknown", "Something else."),
]


@pytest.mark.parametrize(
    ("message", "last_words", "cause", "said"), SAID, ids=[f"{case[2]} {case[3]}" for case in SAID]
)
def test_last_words_become_a_cause_and_what_helps(message: str, last_words: str, cause: str, said: str) -> None:
    error = explained(ModelError(message), "Story", last_words)
    assert (error.cause, said in str(error)) == (cause, True), error
    assert last_words in error.details


def test_what_the_engine_itself_named_stays() -> None:
    named = ModelError("Set the option dtype to bfloat16.", cause="bad_option")
    error = explained(named, "Story", "Cannot allocate memory")
    assert (str(error), error.cause) == (str(named), "bad_option")
    assert error.details == "Cannot allocate memory"


DEATHS = [
    (-9, "", "killed", "when memory runs out"),
    (-4, "", "crashed", "processor"),
    (-11, "", "crashed", "unexpectedly"),
    (1, "", "crashed", "unexpectedly"),
    (-6, "terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory", "more memory"),
]


@pytest.mark.parametrize(("status", "last_words", "cause", "said"), DEATHS)
def test_the_end_of_a_process_has_a_cause(status: int, last_words: str, cause: str, said: str) -> None:
    error = death("Story", status, last_words)
    assert (error.cause, said in str(error)) == (cause, True), error


@pytest.fixture
def failure(launcher: Launcher) -> Iterator[Callable[..., ModelError]]:
    """Loads a model that cannot be; its worker may grow by so many MiB once its engine is imported."""
    processes: list[EngineProcess] = []

    def load(engine: str, model: LocalModel, may_grow_mib: int = 0, **options: object) -> ModelError:
        process = EngineProcess(launcher, lambda: None)
        processes.append(process)

        def limit(_fraction: float, _note: str) -> None:
            if may_grow_mib:
                most = psutil.Process(process.pid).memory_info().vms + may_grow_mib * MIB
                resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))

        with pytest.raises(ModelError) as caught:
            process.load(engine, model, {"threads": 1, **options}, limit)
        return caught.value

    yield load
    for process in processes:
        process.end()


def variant(starter: Path, folder: Path, change: Callable[[bytes], bytes]) -> LocalModel:
    path = folder / "broken.gguf"
    path.write_bytes(change(starter.read_bytes()))
    return LocalModel("broken", "Broken", "gguf", path, path.stat().st_size)


CHANGES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("unsupported_architecture", lambda data: data.replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0lzzma", 1)),
    ("damaged_file", lambda data: data[: len(data) // 2]),
    ("damaged_file", lambda data: data.replace(b"blk.3.attn_k.weight", b"blk.3.attn_z.weight")),
]


@pytest.mark.parametrize(("cause", "change"), CHANGES)
def test_broken_files(
    failure: Callable[..., ModelError],
    starter_file: Path,
    tmp_path: Path,
    cause: str,
    change: Callable[[bytes], bytes],
) -> None:
    error = failure("llamacpp", variant(starter_file, tmp_path, change))
    assert error.cause == cause, error
    assert "error loading model" in error.details


def test_too_little_memory_for_llamacpp(failure: Callable[..., ModelError], models_folder: Path) -> None:
    error = failure("llamacpp", Library(models_folder).find("starter"), may_grow_mib=300)
    assert error.cause == "out_of_memory", error
    assert "alloc" in error.details


def test_too_little_memory_for_transformers(failure: Callable[..., ModelError], tmp_path: Path) -> None:
    make_folder(tmp_path / "wide", "llama", vocab_size=500_000, hidden_size=64)
    error = failure("transformers", Library(tmp_path).find("wide"), may_grow_mib=64)
    assert error.cause == "out_of_memory", error


def test_a_worker_that_the_system_kills_while_it_loads(launcher: Launcher, models_folder: Path) -> None:
    process = EngineProcess(launcher, lambda: None)
    with pytest.raises(ModelError, match="something killed it") as caught:
        process.load(
            "llamacpp",
            Library(models_folder).find("starter"),
            {},
            lambda _fraction, _note: psutil.Process(process.pid).kill(),
        )
    assert caught.value.cause == "killed"
