"""Every knob reaches llama.cpp: the extremes of its formula pick the likeliest token, and the rest change the text."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LlamaCppOptions
from modules.library.library import Library
from modules.types.generation import Event, Finished, GenerationRequest, TextDelta
from modules.types.sampling import SamplingParams

PROMPT = "The cat sat. The cat sat. The cat sat. The old sailor opened the wooden box and"
NEUTRAL: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 3}

# At these extremes only the likeliest token is left, whatever the temperature.
GREEDY: list[dict[str, Any]] = [
    {"temperature": 0.0},
    {"top_k": 1},
    {"top_p": 0.0},
    {"min_p": 1.0},
    {"top_n_sigma": 0.0001},
]

# (what is set already, what is changed): the text must become another one.
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"temperature": 3.0}),
    ({}, {"dynatemp_range": 1.0}),
    ({"dynatemp_range": 1.0}, {"dynatemp_exponent": 8.0}),
    ({}, {"typical_p": 0.1}),
    ({"temperature": 0.0}, {"xtc_probability": 1.0, "xtc_threshold": 0.0, "temperature": 0.01}),
    ({"xtc_probability": 1.0, "xtc_threshold": 0.0}, {"xtc_threshold": 0.4}),
    ({"temperature": 0.0}, {"repetition_penalty": 5.0}),
    ({"temperature": 0.0, "repetition_penalty": 5.0}, {"repetition_penalty_range": 1}),
    ({"temperature": 0.0}, {"presence_penalty": 2.0}),
    ({"temperature": 0.0}, {"frequency_penalty": 2.0}),
    ({"temperature": 0.0}, {"dry_multiplier": 10.0, "dry_allowed_length": 1}),
    ({"temperature": 0.0, "dry_multiplier": 0.2, "dry_allowed_length": 1}, {"dry_base": 10.0}),
    ({"temperature": 0.0, "dry_multiplier": 10.0, "dry_allowed_length": 1}, {"dry_allowed_length": 100}),
    ({}, {"mirostat": 2}),
    ({"mirostat": 2}, {"mirostat_tau": 0.1}),
    ({"mirostat": 2, "mirostat_tau": 1.0}, {"mirostat_eta": 1.0}),
    ({"top_k": 1}, {"samplers": ["temperature"]}),
    ({}, {"seed": 4}),
    ({"temperature": 0.0}, {"logit_bias": {"28": -100.0, "30": -100.0, "260": -100.0, "284": -100.0}}),
]


@pytest.fixture(scope="module")
def engine(starter_file: Path) -> Iterator[LlamaCppEngine]:
    model = Library(starter_file.parent).find("starter")
    engine = LlamaCppEngine(model, LlamaCppOptions(context_length=1024, slots=1), lambda *_: None)
    yield engine
    engine.close()


def run(engine: LlamaCppEngine, max_tokens: int = 32, **knobs: Any) -> tuple[str, list[Event]]:
    sampling = SamplingParams(**{**NEUTRAL, **knobs})
    events: list[Event] = []
    tokens = tuple(engine.tokenize(PROMPT))
    engine.generate(GenerationRequest(PROMPT, tokens, max_tokens, (), sampling), events.append, threading.Event())
    return "".join(event.text for event in events if isinstance(event, TextDelta)), events


@pytest.mark.parametrize("knobs", GREEDY, ids=lambda knobs: next(iter(knobs)))
def test_extremes_leave_the_likeliest_token(engine: LlamaCppEngine, knobs: dict[str, Any]) -> None:
    likeliest, _ = run(engine, temperature=0.0)
    assert run(engine, **knobs)[0] == likeliest


@pytest.mark.parametrize(("base", "change"), CHANGES, ids=lambda knobs: "+".join(knobs) or "neutral")
def test_a_change_is_heard(engine: LlamaCppEngine, base: dict[str, Any], change: dict[str, Any]) -> None:
    before, _ = run(engine, **base)
    assert run(engine, **base)[0] == before
    assert run(engine, **{**base, **change})[0] != before


def test_adaptive_p_is_heard(engine: LlamaCppEngine) -> None:
    """It remembers what it chose, so its memory shows in longer texts only."""
    off, _ = run(engine, 64)
    texts = [
        run(engine, 64, adaptive_target=target, adaptive_decay=decay)[0]
        for target, decay in ((0.1, 0.9), (0.9, 0.9), (0.1, 0.0))
    ]
    assert len({off, *texts}) == 4


def test_it_goes_on_past_the_end_only_when_told(engine: LlamaCppEngine) -> None:
    end = str(engine.tokenize(engine.capabilities.eos_token)[0])
    bias = {end: 100.0}
    _, events = run(engine, 8, logit_bias=bias)
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].usage.completion_tokens) == ("stop", 1)
    _, events = run(engine, 8, ignore_eos=True)
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].usage.completion_tokens) == ("length", 8)


def test_alternatives_are_as_many_as_asked(engine: LlamaCppEngine) -> None:
    _, events = run(engine, 3, n_probs=5)
    places = [place for event in events if isinstance(event, TextDelta) for place in event.logprobs]
    assert [len(place.alternatives) for place in places] == [5, 5, 5]


def test_no_knob_is_left_out() -> None:
    heard = {name for knobs in GREEDY for name in knobs} | {name for _, change in CHANGES for name in change}
    heard |= {"adaptive_target", "adaptive_decay", "ignore_eos", "n_probs"}
    assert heard == set(SamplingParams.model_fields)
