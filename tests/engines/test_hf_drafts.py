"""Speculation never changes the text: not the likeliest one, not what a seed draws, alone or in company."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.engines.hf.drafts import LookupDraft
from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.errors import ModelError
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import make_folder, save_tokenizer, words

PROMPT = [5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 5, 6, 7]
OTHER = [30, 31, 32, 33, 30, 31]
KNOBS = [
    SamplingParams(temperature=0, ignore_eos=True),
    SamplingParams(temperature=0.3, top_k=0, seed=3, ignore_eos=True),
    SamplingParams(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=4, ignore_eos=True, repetition_penalty=1.2),
    # Those with a memory, and a second row.
    SamplingParams(seed=5, ignore_eos=True, adaptive_target=0.4, xtc_probability=0.5, no_repeat_ngram_size=4, dry_multiplier=0.5),
    SamplingParams(seed=6, ignore_eos=True, mirostat=2, guidance_scale=1.5, negative_prompt="t9 t10", banned_phrases=["t7 t8"]),
]  # fmt: skip


def engine_of(folder: Path, **options: Any) -> HfEngine:
    model = LocalModel(folder.name, folder.name, "safetensors", folder)
    return HfEngine(model, HfOptions(dtype="float32", weights="plain", slots=3, threads=1, **options), lambda *_: None)


def say(engine: HfEngine, prompt: list[int], knobs: SamplingParams, new: int = 40) -> tuple[str, Finished]:
    events: list[Event] = []
    engine.generate(GenerationRequest(words(prompt), tuple(prompt), new, (), knobs), events.append, threading.Event())
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events[-1]


@pytest.fixture(scope="module", params=["llama", "gemma3", "gpt2", "mamba"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a smaller one of the same tokens."""
    root = tmp_path_factory.mktemp("drafts")
    smaller = make_folder(root / "smaller", "llama", seed=1, num_hidden_layers=1)
    return make_folder(root / request.param, request.param), smaller


@pytest.fixture(params=["lookup", "smaller", "itself"])
def speculation(request: pytest.FixtureRequest, folders: tuple[Path, Path]) -> dict[str, Any]:
    model, smaller = folders
    if request.param == "lookup":
        return {"speculation": "lookup"}
    if request.param == "itself" and model.name == "mamba":
        return {"speculation": "lookup"}
    return {"speculation": "draft", "draft_model": str(smaller if request.param == "smaller" else model)}


def test_the_text_stays_the_same(folders: tuple[Path, Path], speculation: dict[str, Any]) -> None:
    plain, guessing = engine_of(folders[0]), engine_of(folders[0], **speculation)
    try:
        for knobs in KNOBS:
            assert say(guessing, PROMPT, knobs)[0] == say(plain, PROMPT, knobs)[0]
        # What was guessed wrongly is not kept for the next turn either.
        longer = [*PROMPT, 40, 41]
        assert say(guessing, longer, KNOBS[0])[0] == say(plain, longer, KNOBS[0])[0]
        found: dict[int, str] = {}
        asked = [(PROMPT, KNOBS[1]), (OTHER, KNOBS[0]), (OTHER, KNOBS[2]), (PROMPT, KNOBS[0]), (OTHER, KNOBS[4])]
        threads = [
            threading.Thread(target=lambda place=place: found.update({place: say(guessing, *asked[place])[0]}))
            for place in range(len(asked))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {place: say(plain, *asked[place])[0] for place in range(len(asked))}
    finally:
        plain.close()
        guessing.close()


def test_a_perfect_guesser_saves_most_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "model", "llama")
    engine = engine_of(folder, speculation="draft", draft_model=str(folder))
    passes = counted(monkeypatch, engine)
    _, end = say(engine, PROMPT, KNOBS[0], new=50)
    engine.close()
    assert end.usage.completion_tokens == 50
    assert len(passes) <= 12


def test_lookup_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(make_folder(tmp_path / "model", "llama"), speculation="lookup")
    passes = counted(monkeypatch, engine)
    _, end = say(engine, [5] * 12, SamplingParams(temperature=0, logit_bias={"5": 100.0}, ignore_eos=True), new=40)
    engine.close()
    assert end.usage.completion_tokens == 40
    assert len(passes) <= 12


def test_a_request_says_how_much_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More, or nothing at all, whatever the model was loaded with."""
    engine = engine_of(make_folder(tmp_path / "model", "llama"))
    passes = counted(monkeypatch, engine)
    taken: dict[int, int] = {}
    for guessed in (-1, 0, 4, 32):
        knobs = SamplingParams(temperature=0, logit_bias={"5": 100.0}, ignore_eos=True, prompt_lookup_tokens=guessed)
        _, end = say(engine, [5] * 12, knobs, new=100)
        assert end.usage.completion_tokens == 100
        taken[guessed] = len(passes)
        passes.clear()
    engine.close()
    assert taken[-1] == taken[0] == 99
    assert taken[32] < taken[4] < 30


def counted(monkeypatch: pytest.MonkeyPatch, engine: HfEngine) -> list[int]:
    """Grows by one with each pass that writes."""
    passes: list[int] = []
    batch = engine._scheduler._batch
    write: Callable[..., Any] = batch.write
    monkeypatch.setattr(batch, "write", lambda *asked: (passes.append(1), write(*asked))[1])
    return passes


def test_lookup_finds_what_followed_last() -> None:
    draft = LookupDraft()
    assert draft.propose([1, 2, 3, 4, 1, 2, 3], 3) == [4, 1, 2]
    assert draft.propose([1, 2, 3, 4, 1, 2, 3, 9], 3) == []
    assert draft.propose([1, 2, 3, 4, 1, 2, 3, 9, 2, 3], 2) == [9, 2]
    assert draft.propose([1, 2, 3, 4, 1, 2, 3, 9, 2, 3, 9, 2], 5) == [3, 9, 2, 3, 9]


def test_draft_models_that_do_not_fit(tmp_path: Path) -> None:
    model = make_folder(tmp_path / "model", "llama")
    other = make_folder(tmp_path / "other", "llama", seed=2)
    save_tokenizer(other, words=150)
    with pytest.raises(ModelError, match="other tokens"):
        engine_of(model, speculation="draft", draft_model=str(other))
    with pytest.raises(ModelError, match="cannot take back"):
        engine_of(model, speculation="draft", draft_model=str(make_folder(tmp_path / "mamba", "mamba")))
    with pytest.raises(ModelError, match="draft_model"):
        engine_of(model, speculation="draft")
