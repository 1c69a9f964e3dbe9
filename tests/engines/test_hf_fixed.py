"""Passes of fixed shapes, as a GPU records them, computed as they stand: the same text as without them."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, MambaConfig

from modules.engines.hf import engine as engine_module
from modules.engines.hf.engine import HfEngine, choose_slots
from modules.engines.hf.fixed import CapturedPass, FixedPass, NotCapturableError, Shape, pass_kind, waiting_refused
from modules.engines.hf.footprint import SLOTS
from modules.engines.hf.kind import HfOptions
from modules.types.generation import Event, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, words

ASKED = [([5, 6, 7, 8] * 3, 30), ([9, 10] * 40, 60), ([11], 300), ([12, 13, 14], 8), ([5, 6, 7, 8] * 60, 20)]
GREEDY = SamplingParams(temperature=0, ignore_eos=True)


def answers(folder: Path, knobs: SamplingParams = GREEDY, **options: Any) -> dict[int, str]:
    """All at once, for three rows."""
    model = LocalModel(folder.name, folder.name, "safetensors", folder)
    engine = HfEngine(
        model, HfOptions(dtype="float32", weights="plain", slots=3, threads=1, **options), lambda *_: None
    )
    found: dict[int, str] = {}

    def ask(place: int) -> None:
        prompt, new = ASKED[place]
        events: list[Event] = []
        request = GenerationRequest(words(prompt), tuple(prompt), new, (), knobs)
        engine.generate(request, events.append, threading.Event())
        found[place] = "".join(event.text for event in events if isinstance(event, TextDelta))

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(ASKED))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    return found


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2", "mistral", "mixtral"])
@pytest.mark.parametrize("speculation", ["off", "lookup"])
def test_the_same_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, speculation: str) -> None:
    folder = make_folder(tmp_path / architecture, architecture)
    expected = answers(folder)
    made: list[Shape] = []

    class Recorded(FixedPass):
        def __init__(self, forward: Any, cache: Any, shape: Shape, device: torch.device) -> None:
            super().__init__(forward, cache, shape, device)
            made.append(shape)

    monkeypatch.setattr(engine_module, "pass_kind", lambda _device: Recorded)
    assert answers(folder, speculation=speculation) == expected
    # Those of the warm-up, then what longer texts and guesses needed: far fewer than steps.
    assert made[:3] == [Shape(1, 1, 256), Shape(2, 1, 256), Shape(4, 1, 256)]
    assert Shape(1, 1, 512) in made or speculation == "lookup"
    assert len(made) <= 24


def test_as_many_guesses_as_a_request_may_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "llama", "llama")
    expected = answers(folder)
    monkeypatch.setattr(engine_module, "pass_kind", lambda _device: FixedPass)
    assert answers(folder, GREEDY.model_copy(update={"prompt_lookup_tokens": 32})) == expected


def test_what_cannot_be_recorded_is_computed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "mixtral", "mixtral")
    expected = answers(folder)

    class Waiting(FixedPass):
        def __init__(self, *_given: Any) -> None:
            raise NotCapturableError

    monkeypatch.setattr(engine_module, "pass_kind", lambda _device: Waiting)
    assert answers(folder) == expected


def test_waiting_for_the_gpu_is_found_before_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    with pytest.raises(NotCapturableError), waiting_refused():
        raise RuntimeError("called a synchronizing CUDA operation")
    with pytest.raises(torch.OutOfMemoryError), waiting_refused():
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert modes == ["error", "default"] * 2


def test_a_recurrent_model_needs_no_room_for_keys_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (2**30, 2**30))
    recurrent = SimpleNamespace(device=torch.device("cuda"), config=MambaConfig(), dtype=torch.bfloat16)
    assert choose_slots(recurrent, 4096) == SLOTS
    attentive = SimpleNamespace(device=torch.device("cuda"), config=LlamaConfig(), dtype=torch.bfloat16)
    assert 1 <= choose_slots(attentive, 4096) < SLOTS


def test_shapes_are_rounded_up() -> None:
    assert Shape.around(1, 1, 1) == Shape(1, 1, 256)
    assert Shape.around(5, 2, 257) == Shape(8, 3, 512)
    assert Shape.around(33, 9, 4096) == Shape(64, 9, 4096)


def test_only_a_gpu_records() -> None:
    assert pass_kind(torch.device("cpu")) is None
    assert pass_kind(torch.device("cuda")) is CapturedPass
