"""Knobs of llama.cpp that act over a whole text: what they promise, and how those that learn move from token to token."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import IGNORED_KNOBS, SAMPLERS, LlamaCppOptions
from modules.engines.llamacpp.wire import completion_body
from modules.errors import EngineError
from modules.library.library import Library
from modules.types.generation import Distribution, Event, Finished, GenerationRequest, SamplerStep, TextDelta
from modules.types.sampling import SamplingParams
from tests.engines import sampling_reference as reference
from tests.engines.sampling_reference import Scores
from tests.engines.tiny_gguf import WORDS, make_gguf

END = 2
WORD = WORDS - 61
PROMPT = (1, WORD + 7, WORD + 3, WORD + 9, WORD + 12, WORD + 7)
# llama.cpp reports nothing of a token that is only a part of a character.
BROKEN = list(range(3 + 0x80, 3 + 0x100))
NEUTRAL: dict[str, Any] = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "seed": 3,
    "banned_tokens": BROKEN,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppEngine]:
    folder = make_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf").parent
    options = LlamaCppOptions(context_length=256, slots=1, threads=1)
    engine = LlamaCppEngine(Library(folder).find("tiny"), options, lambda _fraction, _note: None)
    yield engine
    engine.close()


def run(engine: LlamaCppEngine, request: GenerationRequest) -> list[Event]:
    events: list[Event] = []
    engine.generate(request, events.append, threading.Event())
    return events


def request_of(max_tokens: int = 24, **knobs: Any) -> GenerationRequest:
    return GenerationRequest("", PROMPT, max_tokens, sampling=SamplingParams(**{**NEUTRAL, **knobs}))


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: list[Event]) -> tuple[str, int]:
    end = events[-1]
    assert isinstance(end, Finished)
    return end.reason, end.usage.completion_tokens


def test_a_seed_decides_the_text(engine: LlamaCppEngine) -> None:
    texts = [text_of(run(engine, request_of(seed=seed))) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert len({text_of(run(engine, request_of(seed=None))) for _ in range(3)}) == 3


def test_it_goes_on_past_the_end_only_when_told(engine: LlamaCppEngine) -> None:
    ends = {str(END): 100.0}
    assert end_of(run(engine, request_of(8, logit_bias=ends))) == ("stop", 1)
    assert end_of(run(engine, request_of(8, logit_bias=ends, ignore_eos=True))) == ("length", 8)


@pytest.mark.parametrize(
    "knobs", [{"repetition_penalty": 1.5, "repetition_penalty_range": -1}, {"dry_multiplier": 1.0}]
)
def test_a_range_of_everything_holds_to_the_end(engine: LlamaCppEngine, knobs: dict[str, Any]) -> None:
    assert end_of(run(engine, request_of(40, ignore_eos=True, **knobs))) == ("length", 40)


def test_alternatives_are_as_many_as_asked_and_have_their_ids(engine: LlamaCppEngine) -> None:
    events = run(engine, request_of(3, n_probs=5, ignore_eos=True))
    places = [place for event in events if isinstance(event, TextDelta) for place in event.logprobs]
    assert [len(place.alternatives) for place in places] == [5, 5, 5]
    for choice in [one for place in places for one in (place.chosen, *place.alternatives)]:
        assert bytes(choice.token_bytes) == word(choice.id)


def word(token: int) -> bytes:
    """As the file has it; what llama.cpp shows of control tokens is nothing."""
    if token < 3:
        return b""
    return bytes([token - 3]) if token < WORD else f" t{token - WORD}".encode()


@pytest.mark.parametrize(
    "knobs",
    [{"mirostat": 1, "mirostat_tau": 3.0, "mirostat_eta": 0.3}, {"mirostat": 2, "mirostat_tau": 2.0, "mirostat_eta": 0.1}, {"mirostat": 2, "mirostat_tau": 2.0, "mirostat_eta": 0.9}],
    ids=str,
)  # fmt: skip
def test_mirostat_learns_from_what_it_chose(engine: LlamaCppEngine, knobs: dict[str, Any]) -> None:
    bound, bounds = 2 * knobs["mirostat_tau"], list[float]()
    for model, offered, chosen in played(engine, knobs):
        scores = (
            reference.mirostat_2(model, bound) if knobs["mirostat"] == 2 else reference.mirostat_1(model, bound, int)
        )
        assert_same(offered, scores)
        chance = float(reference.probabilities(scores)[chosen])
        bound = reference.mirostat_learns(bound, chance, knobs["mirostat_tau"], knobs["mirostat_eta"])
        bounds.append(bound)
    assert max(bounds) - min(bounds) > 0.3


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_adaptive_p_moves_its_target_against_what_it_chose(engine: LlamaCppEngine, decay: float) -> None:
    chosen_chances: list[float] = []
    for model, offered, chosen in played(engine, {"adaptive_target": 0.3, "adaptive_decay": decay}):
        target = reference.adaptive_targets(0.3, decay, chosen_chances)[-1]
        assert_same(offered, reference.adaptive_p(model, target))
        chosen_chances.append(float(reference.probabilities(model)[chosen]))
    assert len(set(chosen_chances)) > 5


def played(engine: LlamaCppEngine, knobs: dict[str, Any]) -> Iterator[tuple[Scores, Scores, int]]:
    """Of each place of a text: the model's scores without what is banned, those that were drawn from, and the draw.

    llama.cpp tells either before or after sampling, so the same text is written twice.
    """
    body = completion_body(request_of(16, ignore_eos=True, **knobs)) | {"n_probs": WORDS}
    told: list[list[dict[str, Any]]] = []
    for after in (False, True):
        chunks: list[dict[str, Any]] = []
        with engine._serving() as server:
            server.server.handle_completions({**body, "post_sampling_probs": after}, chunks.append)
        logprobs = [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk["choices"][0].get("logprobs")]
        told.append([one["content"][0] for one in logprobs])
    assert [place["id"] for place in told[0]] == [place["id"] for place in told[1]]
    assert len(told[0]) == 16
    for before, after in zip(*told, strict=True):
        model = numpy.full(WORDS, reference.DROPPED)
        offered = model.copy()
        for entry in before["top_logprobs"]:
            model[entry["id"]] = entry["logprob"]
        for entry in after["top_probs"]:
            offered[entry["id"]] = numpy.log(entry["prob"])
        yield reference.added_and_banned(model, {}, [*BROKEN, END]), offered, before["id"]


def assert_same(found: Scores, expected: Scores) -> None:
    expected = reference.log_probabilities(expected)
    assert numpy.array_equal(numpy.isfinite(found), numpy.isfinite(expected))
    left = numpy.isfinite(expected)
    assert numpy.abs(found[left] - expected[left]).max() < 2e-3


def test_what_it_ignores_changes_nothing(engine: LlamaCppEngine) -> None:
    """The knobs that are refused are refused for a reason: sent all the same, llama.cpp's text stays as it was."""
    sent = {
        "smoothing_factor": 2.0, "smoothing_curve": 3.0, "tfs": 0.1, "tfs_z": 0.1, "top_a": 1.0, "epsilon_cutoff": 0.2,
        "eta_cutoff": 0.2, "no_repeat_ngram_size": 1, "encoder_repetition_penalty": 5.0, "guidance_scale": 5.0,
        "negative_prompt": "t1", "banned_phrases": ["t"], "skip_special_tokens": False, "prompt_lookup_tokens": 5,
    }  # fmt: skip
    assert set(sent) >= IGNORED_KNOBS
    body = completion_body(request_of())
    texts: list[str] = []
    for fields in (body, body | sent):
        chunks: list[dict[str, Any]] = []
        with engine._serving() as server:
            server.server.handle_completions(fields, chunks.append)
        texts.append("".join(chunk["choices"][0]["text"] for chunk in chunks))
    assert texts[0] == texts[1] != ""


def test_its_samplers_are_those_that_change_something(engine: LlamaCppEngine) -> None:
    knobs = {
        "repetition_penalty": 1.5, "dry_multiplier": 1.0, "top_n_sigma": 2.0, "top_k": 200, "typical_p": 0.99, "top_p": 0.98,
        "min_p": 0.001, "xtc_probability": 1.0, "xtc_threshold": 0.05, "temperature": 0.5,
    }  # fmt: skip
    assert [step.name for step in told(engine, **knobs)] == ["model", "bans", *SAMPLERS]
    assert [step.name for step in told(engine)] == ["model", "bans"]


def told(engine: LlamaCppEngine, *, cancelled: bool = False, **knobs: Any) -> tuple[SamplerStep, ...]:
    events: list[Event] = []
    flag = threading.Event()
    if cancelled:
        flag.set()
    request = GenerationRequest("", PROMPT, 1, sampling=SamplingParams(**{**NEUTRAL, **knobs}), distribution=5)
    engine.generate(request, events.append, flag)
    assert end_of(events) == ("cancelled" if cancelled else "stop", 0)
    return tuple(step for event in events if isinstance(event, Distribution) for step in event.steps)


def test_a_distribution_tells_the_likeliest_first_and_how_many_are_left(engine: LlamaCppEngine) -> None:
    model, bans, top_k, adaptive = told(engine, top_k=7, adaptive_target=0.02)
    assert (model.kept, bans.kept, top_k.kept, adaptive.kept) == (WORDS, WORDS - len(BROKEN), 7, 7)
    for step in (model, bans, top_k, adaptive):
        chances = [token.logprob or 0.0 for token in step.tokens]
        assert len(chances) == 5
        assert chances == sorted(chances, reverse=True)
    assert all(bytes(token.token_bytes) == word(token.id) for token in top_k.tokens)


def test_the_first_step_is_the_model_itself(engine: LlamaCppEngine) -> None:
    """The same as is reported of a text's first token, which llama.cpp computes before any sampler."""
    [text, *_] = [event for event in run(engine, request_of(1, n_probs=5)) if isinstance(event, TextDelta)]
    [model, *_] = told(engine, temperature=0.3, top_k=3)
    reported = [(one.id, one.logprob) for one in text.logprobs[0].alternatives]
    assert [one.id for one in model.tokens] == [token for token, _ in reported]
    assert [one.logprob for one in model.tokens] == pytest.approx([chance for _, chance in reported], abs=1e-3)


def test_a_cancelled_distribution_tells_nothing(engine: LlamaCppEngine) -> None:
    assert told(engine, cancelled=True) == ()


def test_where_a_character_has_only_begun_nothing_can_be_told(engine: LlamaCppEngine) -> None:
    with pytest.raises(EngineError, match="part of a character"):
        told(engine, banned_tokens=[], logit_bias={str(3 + 0xC3): 100.0})
