"""Knobs of the transformers engine that show over whole requests: guidance, banned phrases, distributions."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HfOptions
from modules.errors import BadRequest, EngineError
from modules.types.generation import Distribution, Event, Finished, GenerationRequest, ProcessorUse, TextDelta
from modules.types.local_model import LocalModel
from modules.types.sampling import SamplingParams
from tests.engines.tiny_models import EOS, PAD, WORDS, make_folder, tokens_of, words

PROMPT = [5, 6, 7, 8, 9, 10, 11] * 3
NEGATIVE = [40, 41, 42, 43, 44]
GREEDY: dict[str, Any] = {"temperature": 0.0, "ignore_eos": True}


@pytest.fixture(scope="module", params=["llama", "gemma3", "gpt2", "mamba"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("knobs") / request.param, request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[HfEngine]:
    engine = engine_of(folder, slots=4)
    yield engine
    engine.close()


def engine_of(folder: Path, **options: Any) -> HfEngine:
    model = LocalModel(folder.name, folder.name, "safetensors", folder)
    return HfEngine(model, HfOptions(dtype="float32", weights="plain", threads=1, **options), lambda *_: None)


def run(engine: HfEngine, prompt: list[int] = PROMPT, new: int = 12, **knobs: Any) -> list[Event]:
    events: list[Event] = []
    sampling = SamplingParams(**{**GREEDY, **knobs})
    engine.generate(
        GenerationRequest(words(prompt), tuple(prompt), new, (), sampling), events.append, threading.Event()
    )
    return events


def spoken(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def said(events: list[Event]) -> list[int]:
    return tokens_of(spoken(events))


def guided(folder: Path, scale: float, negative: list[int], new: int) -> list[int]:
    """By the formula, with whole passes of transformers itself; no word comes twice."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    written: list[int] = []
    for _ in range(new):
        with torch.no_grad():
            towards, away = (
                torch.log_softmax(model(torch.tensor([[*tokens, *written]])).logits[0, -1], -1)
                for tokens in (PROMPT, negative)
            )
        logits = away + scale * (towards - away)
        logits[[EOS, PAD, *PROMPT, *written]] = -torch.inf
        written.append(int(logits.argmax()))
    return written


@pytest.mark.parametrize("scale", [2.5, -1.0])
@pytest.mark.parametrize("negative", [NEGATIVE, []])
def test_guidance(engine: HfEngine, folder: Path, scale: float, negative: list[int]) -> None:
    """Without a negative prompt it is the prompt's last token; a second time past requests have computed both."""
    expected = guided(folder, scale, negative or PROMPT[-1:], 12)
    fresh: dict[str, Any] = {"no_repeat_ngram_size": 1, "banned_tokens": [PAD]}
    knobs: dict[str, Any] = {**fresh, "guidance_scale": scale, "negative_prompt": words(negative)}
    assert said(run(engine, **fresh)) != expected
    for _ in range(2):
        events = run(engine, **knobs)
        assert said(events) == expected
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (len(PROMPT), 12)
    assert end.usage.cached_tokens == (0 if folder.name == "mamba" else len(PROMPT) - 1)


def test_guided_requests_in_company(engine: HfEngine) -> None:
    """They come and go in other orders than their rows, more of them than there are slots."""
    guidance: dict[str, Any] = {"guidance_scale": 2.0, "negative_prompt": words(NEGATIVE)}
    asked: list[dict[str, Any]] = [
        {"new": 30}, {"new": 9, **guidance}, {"new": 4}, {"new": 25, **guidance}, {"new": 3, **guidance}, {"new": 17},
    ]  # fmt: skip
    expected = [said(run(engine, PROMPT[place:], **fields)) for place, fields in enumerate(asked)]
    found: dict[int, list[int]] = {}
    threads = [
        threading.Thread(target=lambda place=place: found.update({place: said(run(engine, PROMPT[place:], **asked[place]))}))
        for place in range(len(asked))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in range(len(asked))] == expected


def test_a_guided_request_is_cancelled_and_its_rows_are_free(engine: HfEngine) -> None:
    cancelled = threading.Event()
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if sum(isinstance(event, TextDelta) for event in events) == 3:
            cancelled.set()

    sampling = SamplingParams(**GREEDY, guidance_scale=2.0, negative_prompt=words(NEGATIVE))
    for _ in range(3):
        cancelled.clear()
        events.clear()
        engine.generate(GenerationRequest("", tuple(PROMPT), 400, (), sampling), emit, cancelled)
        assert isinstance(events[-1], Finished)
        assert events[-1].reason == "cancelled"
    assert len(said(run(engine))) == 12


def test_a_guided_request_that_fails_leaves_others_alone(engine: HfEngine) -> None:
    fails = ProcessorUse("tests.engines.test_hf_requests:Failing")
    other: list[Event] = []
    thread = threading.Thread(target=lambda: other.extend(run(engine, new=30)))
    thread.start()
    sampling = SamplingParams(**GREEDY, guidance_scale=2.0)
    request = GenerationRequest("", tuple(PROMPT), 5, (), sampling, processors=(fails,))
    with pytest.raises(EngineError, match="out of ideas"):
        engine.generate(request, lambda _: None, threading.Event())
    thread.join()
    assert said(other) == said(run(engine, new=30))


def test_guidance_needs_room(tmp_path: Path) -> None:
    engine = engine_of(make_folder(tmp_path / "llama", "llama"), slots=1, context_length=64)
    with pytest.raises(BadRequest, match="slots=2") as caught:
        run(engine, guidance_scale=2.0)
    assert caught.value.field == "guidance_scale"
    engine.close()
    engine = engine_of(tmp_path / "llama", slots=2, context_length=64)
    with pytest.raises(BadRequest, match="70 tokens") as caught:
        run(engine, guidance_scale=2.0, negative_prompt=words([5] * 70))
    assert caught.value.field == "negative_prompt"
    # The negative prompt may be the longer one: then the context ends sooner.
    end = run(engine, [5, 6], new=60, guidance_scale=2.0, negative_prompt=words([5] * 60))[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("length", 4)
    engine.close()


def test_banned_phrases(engine: HfEngine) -> None:
    """The first two words that come, banned as the reply writes them, but for capitals."""
    fresh: dict[str, Any] = {"no_repeat_ngram_size": 1}
    free = run(engine, **fresh)
    first, second = said(free)[:2]
    phrase = spoken(free)[: spoken(free).index(f"t{second}") + len(f"t{second}")].strip().upper()
    found = run(engine, **fresh, banned_phrases=[phrase])
    assert phrase.lower() in spoken(free)
    assert phrase.lower() not in spoken(found)
    assert said(found)[0] == first
    assert said(found)[1] != second


def test_banned_tokens(engine: HfEngine) -> None:
    likeliest = said(run(engine))[0]
    assert likeliest not in said(run(engine, banned_tokens=[likeliest]))


@pytest.mark.parametrize("knobs", [{"banned_tokens": [WORDS]}, {"logit_bias": {str(WORDS): 1.0}}])
def test_tokens_that_are_none(engine: HfEngine, knobs: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=f"largest is {WORDS - 1}") as caught:
        run(engine, **knobs)
    assert [caught.value.field] == list(knobs)


def test_special_tokens_in_the_text(engine: HfEngine) -> None:
    forced: dict[str, Any] = {"logit_bias": {str(PAD): 100.0}}
    assert "<pad>" not in spoken(run(engine, **forced))
    assert spoken(run(engine, **forced, skip_special_tokens=False)).count("<pad>") == 12


def test_the_distribution_of_the_next_token(engine: HfEngine, folder: Path) -> None:
    """Nothing is written; the last step is what a request with these knobs draws from."""
    knobs: dict[str, Any] = {"temperature": 0.8, "top_k": 7, "min_p": 0.02, "presence_penalty": 1.0, "seed": 1}
    events: list[Event] = []
    request = GenerationRequest("", tuple(PROMPT), 5, (), SamplingParams(**{**GREEDY, **knobs}), distribution=WORDS)
    engine.generate(request, events.append, threading.Event())
    told, end = events[-2:]
    assert isinstance(told, Distribution)
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.completion_tokens) == ("stop", 0)
    assert [step.name for step in told.steps] == [
        "model",
        "bans",
        "penalties",
        "top_k",
        "top_p",
        "min_p",
        "temperature",
    ]
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor([PROMPT])).logits[0, -1], -1)
    first = told.steps[0]
    assert (first.kept, len(first.tokens)) == (WORDS, WORDS)
    found = torch.tensor([choice.logprob for choice in sorted(first.tokens, key=lambda choice: choice.id)])
    assert torch.allclose(found, expected, atol=1e-3)
    assert told.steps[1].kept == WORDS - 1
    assert told.steps[3].kept == len(told.steps[3].tokens) == 7
    likely = {choice.id for choice in told.steps[-1].tokens if choice.logprob is not None and choice.logprob > -30}
    drawn = {said(run(engine, new=1, **{**knobs, "seed": seed}))[0] for seed in range(30)}
    assert drawn <= likely


def test_a_distribution_of_a_guided_request(engine: HfEngine) -> None:
    events: list[Event] = []
    sampling = SamplingParams(**GREEDY, guidance_scale=2.5, negative_prompt=words(NEGATIVE))
    request = GenerationRequest("", tuple(PROMPT), 5, (), sampling, distribution=3)
    engine.generate(request, events.append, threading.Event())
    told = events[-2]
    assert isinstance(told, Distribution)
    assert [step.name for step in told.steps[:3]] == ["model", "guidance", "bans"]
    assert told.steps[-1].tokens[0].id == said(run(engine, guidance_scale=2.5, negative_prompt=words(NEGATIVE)))[0]
