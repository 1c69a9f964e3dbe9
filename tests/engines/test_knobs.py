"""Every knob changes the distribution of the next token as its published formula says, on each engine that honours it.

What an engine tells of each of its steps is compared with the reference, applied to what it tells of the model itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy
import pytest

from modules.engines.hf.engine import HfEngine
from modules.engines.hf.kind import HF, HfOptions
from modules.engines.llamacpp.engine import LlamaCppEngine
from modules.engines.llamacpp.kind import LLAMACPP, LlamaCppOptions
from modules.engines.protocol import Engine
from modules.library.library import Library
from modules.paths import PROJECT
from modules.storage.presets import PresetStore
from modules.types.generation import Distribution, Event, GenerationRequest
from modules.types.local_model import LocalModel
from modules.types.presets import Preset
from modules.types.sampling import SAMPLER_ORDER, SamplingParams
from tests.engines import sampling_reference as reference
from tests.engines.sampling_reference import Scores
from tests.engines.tiny_gguf import WORDS as GGUF_WORDS
from tests.engines.tiny_gguf import make_gguf
from tests.engines.tiny_models import EOS, make_folder
from tests.engines.tiny_models import WORDS as HF_WORDS

NEUTRAL: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
USUAL: dict[str, Any] = {name: getattr(SamplingParams(), name) for name in NEUTRAL}
PRESETS = PresetStore(PROJECT / "presets" / "samplers", Path("none")).presets()
PENALISED: dict[str, Any] = {"repetition_penalty": 1.5, "presence_penalty": 0.5, "frequency_penalty": 0.5}
DRY: dict[str, Any] = {"dry_multiplier": 0.8, "dry_allowed_length": 1}
# In natural logarithms: engines compute in float32, and the model's own logits come through a softmax.
CLOSE = 2e-3
# Sums of probabilities in float32 may cut a little earlier or later: so much probability may be kept by one alone.
ON_THE_EDGE = 2e-4

# Each is set on top of neutral values. Of every knob there are two values, or the knob is among OVER_TEXTS.
CASES: list[dict[str, Any]] = [
    {"temperature": 0.0},
    {"temperature": 0.5},
    {"temperature": 1.9},
    {"dynatemp_range": 0.4},
    {"dynatemp_range": 1.5},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 0.4},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 3.0},
    {"smoothing_factor": 0.2},
    {"smoothing_factor": 1.5},
    {"smoothing_factor": 0.2, "smoothing_curve": 1.5},
    {"smoothing_factor": 0.2, "smoothing_curve": 4.0},
    {"top_k": 1},
    {"top_k": 30},
    {"top_p": 0.0},
    {"top_p": 0.4},
    {"top_p": 0.95},
    {"min_p": 0.02},
    {"min_p": 0.5},
    {"top_n_sigma": 0.5},
    {"top_n_sigma": 1.5},
    {"typical_p": 0.2},
    {"typical_p": 0.8},
    {"tfs": 0.3},
    {"tfs": 0.95},
    {"top_a": 0.2},
    {"top_a": 1.0},
    {"epsilon_cutoff": 0.001},
    {"epsilon_cutoff": 0.02},
    {"eta_cutoff": 0.0003},
    {"eta_cutoff": 0.02},
    {"xtc_probability": 1.0, "xtc_threshold": 0.02},
    {"xtc_probability": 0.3, "xtc_threshold": 0.05},
    {"repetition_penalty": 0.8},
    {"repetition_penalty": 1.7},
    {"presence_penalty": -0.7},
    {"presence_penalty": 1.1},
    {"frequency_penalty": -0.4},
    {"frequency_penalty": 0.9},
    {**PENALISED, "repetition_penalty_range": -1},
    {**PENALISED, "repetition_penalty_range": 3},
    {"encoder_repetition_penalty": 0.7},
    {"encoder_repetition_penalty": 1.6},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 3},
    {"dry_multiplier": 0.8},
    {"dry_multiplier": 5.0},
    {**DRY, "dry_base": 1.1},
    {**DRY, "dry_base": 3.0},
    {**DRY, "dry_allowed_length": 2},
    {**DRY, "dry_allowed_length": 3},
    {**DRY, "dry_range": 8},
    {**DRY, "dry_range": 9},
    {**DRY, "dry_sequence_breakers": []},
    {**DRY, "dry_sequence_breakers": ["BREAKER"]},
    {"mirostat": 1, "mirostat_tau": 1.0},
    {"mirostat": 1, "mirostat_tau": 3.0},
    {"mirostat": 2, "mirostat_tau": 1.0},
    {"mirostat": 2, "mirostat_tau": 3.0, "temperature": 0.7},
    {"adaptive_target": 0.05},
    {"adaptive_target": 0.6, "top_k": 20},
    {"logit_bias": {"7": 3.0, "20": -4.5}},
    {"logit_bias": {"9": 11.0}},
    {"banned_tokens": [7, 8, 20]},
    {"banned_tokens": [9]},
    {"ignore_eos": True},
    # Several at once, in the engine's own order and in others.
    {"temperature": 0.7, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
    {**PENALISED, **DRY, "top_k": 60, "typical_p": 0.9, "temperature": 1.4},
    {"temperature": 2.0, "min_p": 0.1, "samplers": ["temperature", "min_p"]},
    {"temperature": 2.0, "min_p": 0.1, "samplers": ["min_p", "temperature"]},
    {"top_k": 2, "samplers": ["top_p", "temperature"], "top_p": 0.7},
    {"tfs": 0.9, "top_a": 0.1, "epsilon_cutoff": 0.0005, "smoothing_factor": 0.3, "temperature": 0.8},
]
# Those that act over several tokens, or on prompt and text, with the test that shows what they promise.
OVER_TEXTS = {
    "seed": "engines/test_llamacpp_knobs.py::test_a_seed_decides_the_text",
    "mirostat_eta": "engines/test_llamacpp_knobs.py::test_mirostat_learns_from_what_it_chose",
    "adaptive_decay": "engines/test_llamacpp_knobs.py::test_adaptive_p_moves_its_target_against_what_it_chose",
    "n_probs": "engines/test_llamacpp_knobs.py::test_alternatives_are_as_many_as_asked_and_have_their_ids",
    "add_bos": "services/test_knob_checks.py::test_a_prompt_begins_with_one_start_token_or_none",
    "guidance_scale": "engines/test_hf_knobs.py::test_guidance",
    "negative_prompt": "engines/test_hf_knobs.py::test_guidance",
    "banned_phrases": "engines/test_hf_knobs.py::test_banned_phrases",
    "skip_special_tokens": "engines/test_hf_knobs.py::test_special_tokens_in_the_text",
    "prompt_lookup_tokens": "engines/test_hf_drafts.py::test_a_request_says_how_much_is_guessed",
}


@dataclass
class Subject:
    """An engine with a prompt. `told` are the tokens that each step tells of, the likeliest; `zero` is what must be
    added to the logarithms of the model's probabilities to make logits of them again.
    """

    engine: Engine
    prompt: tuple[int, ...]
    vocabulary: int
    told: int
    ends: set[int]
    breaker: tuple[str, set[int]]
    default_breakers: set[int]
    # llama.cpp cuts off what the authors round.
    mirostat_whole: Callable[[float], int] = round
    model: Scores = field(default_factory=lambda: numpy.empty(0))
    zero: float = 0.0

    def __post_init__(self) -> None:
        # The first request reads the prompt in one pass, the others find it read: sums differ in their last bits.
        self.steps({}, self.vocabulary)
        self.model = self.steps({}, self.vocabulary)["model"][1]
        self.zero = self._find_zero()

    def steps(self, knobs: dict[str, Any], told: int | None = None) -> dict[str, tuple[int, Scores]]:
        """By name: how many tokens are left, and the logarithms of their probabilities, as far as they are told."""
        events: list[Event] = []
        sampling = SamplingParams(**{**NEUTRAL, **knobs})
        request = GenerationRequest("", self.prompt, 1, sampling=sampling, distribution=told or self.told)
        self.engine.generate(request, events.append, Flag())
        [distribution] = [event for event in events if isinstance(event, Distribution)]
        found: dict[str, tuple[int, Scores]] = {}
        for step in distribution.steps:
            scores = numpy.full(self.vocabulary, numpy.nan if step.kept > len(step.tokens) else reference.DROPPED)
            for token in step.tokens:
                scores[token.id] = token.logprob
            found[step.name] = (step.kept, scores)
        return found

    def _find_zero(self) -> float:
        """The logit of one token follows from two penalties on it; all others are then foretold by the formula."""
        token, other = self.prompt[-1], int(numpy.argmax(numpy.where(self._seen(), -numpy.inf, self.model)))
        falls: list[float] = []
        for penalty in (2.0, 4.0):
            after = self.steps({"repetition_penalty": penalty}, self.vocabulary)["penalties"][1]
            falls.append(float((after[token] - after[other]) - (self.model[token] - self.model[other])))
        is_positive = falls[1] / falls[0] < 2
        return (-2 * falls[0] if is_positive else falls[0]) - float(self.model[token])

    def _seen(self) -> Any:
        return numpy.isin(numpy.arange(self.vocabulary), self.prompt)


# An engine's knobs that change nothing are refused; see test_knob_checks.py.
KINDS = {"llamacpp-tiny": LLAMACPP, "llamacpp-starter": LLAMACPP, "transformers-tiny": HF}
PAIRS = [(name, case) for name, kind in KINDS.items() for case in CASES if kind.ignored_knobs.isdisjoint(case)]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[Callable[[str], Subject]]:
    """By name, each made once. Their prompts repeat a run, so that whatever looks back finds something."""
    makers: dict[str, Callable[[], Subject]] = {
        "llamacpp-tiny": lambda: tiny_gguf(make_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf")),
        "llamacpp-starter": lambda: starter(starter_file),
        "transformers-tiny": lambda: tiny_folder(make_folder(tmp_path_factory.mktemp("tiny-hf"), "llama")),
    }
    made: dict[str, Subject] = {}

    def subject(name: str) -> Subject:
        if name not in made:
            made[name] = makers[name]()
        return made[name]

    yield subject
    for one in made.values():
        one.engine.close()


def tiny_gguf(file: Path) -> Subject:
    word = GGUF_WORDS - 61
    breakers, usual = {word + 3, *range(word + 30, word + 40)}, {3 + ord(one) for one in '\n:"*'}
    prompt = repetitive([word + 7, word + 3, word + 9, word + 12, word + 15], word + 5, word + 30)
    engine = llamacpp_engine(file, "tiny")
    return Subject(engine, prompt, GGUF_WORDS, GGUF_WORDS, {2}, ("t3", breakers), usual, int)


def starter(file: Path) -> Subject:
    engine = llamacpp_engine(file, "starter")
    prompt = tuple(engine.tokenize("The cat sat on a mat: the cat sat on a chair: the cat sat on a"))
    [sat], [colon] = engine.tokenize(" sat"), engine.tokenize(":")
    return Subject(engine, prompt, 49152, 1000, {0, 2, 4}, (" sat", {sat}), {colon}, int)


def tiny_folder(folder: Path) -> Subject:
    model = LocalModel("tiny", "Tiny", "safetensors", folder)
    engine = HfEngine(model, HfOptions(context_length=256, slots=1, threads=1), lambda _fraction, _note: None)
    prompt = repetitive([70, 3, 90, 12, 15], 5, 30)
    return Subject(engine, prompt, HF_WORDS, HF_WORDS, {EOS}, ("t3", {3, *range(30, 40)}), set())


def repetitive(run: list[int], *between: int) -> tuple[int, ...]:
    return (1, *run, 20, between[0], 9, *run, between[1], *run[:-1])


def llamacpp_engine(file: Path, name: str) -> LlamaCppEngine:
    options = LlamaCppOptions(context_length=256, slots=1, threads=1)
    return LlamaCppEngine(Library(file.parent).find(name), options, lambda _fraction, _note: None)


def name_of(shown: str | dict[str, Any]) -> str:
    return shown if isinstance(shown, str) else ",".join(f"{name}={value}" for name, value in shown.items())


@pytest.mark.parametrize(("name", "case"), PAIRS, ids=name_of)
def test_each_step_is_what_its_formula_says(
    subjects: Callable[[str], Subject], name: str, case: dict[str, Any]
) -> None:
    subject = subjects(name)
    case = {name: [subject.breaker[0]] if value == ["BREAKER"] else value for name, value in case.items()}
    knobs = SamplingParams(**{**NEUTRAL, **case})
    found, expected = subject.steps(case), reference_steps(subject, knobs)
    assert list(found) == list(expected)
    for step, scores in expected.items():
        compare(step, *found[step], scores)
    assert changes(subject.model, list(expected.values())[-1])


def reference_steps(subject: Subject, knobs: SamplingParams) -> dict[str, Scores]:
    """Of the steps that can change anything."""
    scores = subject.model + subject.zero
    steps = {"model": scores}
    banned = {*knobs.banned_tokens, *(subject.ends if knobs.ignore_eos else ())}
    if banned or knobs.logit_bias:
        added = {int(token): bias for token, bias in (knobs.logit_bias or {}).items()}
        scores = steps["bans"] = reference.added_and_banned(scores, added, banned)
    order = knobs.samplers if knobs.samplers is not None else SAMPLER_ORDER
    for name in ["temperature"] if knobs.mirostat else order:
        if knobs.acts(name):
            scores = steps[name] = reference_step(subject, name, knobs, scores)
    if knobs.mirostat == 1:
        steps["mirostat"] = reference.mirostat_1(scores, 2 * knobs.mirostat_tau, subject.mirostat_whole)
    elif knobs.mirostat == 2:
        steps["mirostat"] = reference.mirostat_2(scores, 2 * knobs.mirostat_tau)
    elif knobs.adaptive_target >= 0:
        steps["adaptive_p"] = reference.adaptive_p(scores, knobs.adaptive_target)
    return steps


def reference_step(subject: Subject, name: str, knobs: SamplingParams, scores: Scores) -> Scores:
    match name:
        case "penalties":
            recent = latest(subject.prompt, knobs.repetition_penalty_range)
            scores = reference.encoder_repetition_penalty(scores, subject.prompt, knobs.encoder_repetition_penalty)
            scores = reference.repetition_penalty(scores, recent, knobs.repetition_penalty)
            return reference.counted_penalties(scores, recent, knobs.presence_penalty, knobs.frequency_penalty)
        case "dry":
            texts = knobs.dry_sequence_breakers
            is_default = texts == SamplingParams().dry_sequence_breakers
            breakers = subject.default_breakers if is_default else subject.breaker[1] if texts else set[int]()
            return reference.do_not_repeat_yourself(
                scores, latest(subject.prompt, knobs.dry_range), breakers,
                multiplier=knobs.dry_multiplier, base=knobs.dry_base, allowed=knobs.dry_allowed_length,
            )  # fmt: skip
        case "no_repeat_ngram":
            return reference.no_repeated_ngrams(scores, subject.prompt, knobs.no_repeat_ngram_size)
        case "top_n_sigma":
            return reference.top_n_sigma(scores, knobs.top_n_sigma)
        case "top_k":
            return reference.top_k(scores, knobs.top_k)
        case "typ_p":
            return reference.typical_p(scores, knobs.typical_p)
        case "tfs":
            return reference.tail_free(scores, knobs.tfs)
        case "top_a":
            return reference.top_a(scores, knobs.top_a)
        case "epsilon":
            return reference.epsilon_cutoff(scores, knobs.epsilon_cutoff)
        case "eta":
            return reference.eta_cutoff(scores, knobs.eta_cutoff)
        case "top_p":
            return reference.top_p(scores, knobs.top_p)
        case "min_p":
            return reference.min_p(scores, knobs.min_p)
        case "xtc":
            return reference.exclude_top_choices(scores, knobs.xtc_threshold)
        case "smoothing":
            return reference.smoothing(scores, knobs.smoothing_factor, knobs.smoothing_curve)
        case _:
            if not knobs.dynatemp_range:
                return reference.temperature(scores, knobs.temperature)
            return reference.dynamic_temperature(
                scores, knobs.temperature, knobs.dynatemp_range, knobs.dynatemp_exponent
            )


def latest(history: tuple[int, ...], length: int) -> tuple[int, ...]:
    return history if length < 0 else history[len(history) - min(length, len(history)) :]


def compare(name: str, kept: int, found: Scores, expected: Scores) -> None:
    expected = reference.log_probabilities(expected)
    told, left = ~numpy.isnan(found), numpy.isfinite(expected)
    differ = told & (numpy.isfinite(found) != left)
    by_one = numpy.exp(numpy.maximum(found, expected)[differ]).sum()
    assert by_one < ON_THE_EDGE, f"{name}: {numpy.flatnonzero(differ)} are kept by one alone"
    assert abs(kept - left.sum()) <= differ.sum(), f"{name} leaves {kept} tokens instead of {left.sum()}"
    both = told & left & ~differ
    worst = numpy.abs(found[both] - expected[both]).max()
    assert worst < CLOSE, f"{name} is off by {worst}"


def changes(before: Scores, after: Scores) -> bool:
    after = reference.log_probabilities(after)
    both = numpy.isfinite(before) & numpy.isfinite(after)
    dropped = numpy.isfinite(before).sum() - both.sum()
    return bool(dropped or numpy.abs(after[both] - before[both]).max() > 10 * CLOSE)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_each_shipped_preset_chooses_otherwise_than_the_defaults(
    subjects: Callable[[str], Subject], preset: Preset
) -> None:
    # Which breakers are tokens differs between vocabularies, and nothing in the prompts is one more.
    own = set(SamplingParams.model_fields) - {"dry_sequence_breakers"}
    case = {**USUAL, **{name: value for name, value in preset.values.items() if name in own}}
    subject = subjects("llamacpp-tiny" if LLAMACPP.ignored_knobs.isdisjoint(case) else "transformers-tiny")
    found, expected = subject.steps(case), reference_steps(subject, SamplingParams(**case))
    for step, scores in expected.items():
        compare(step, *found[step], scores)
    usual = list(reference_steps(subject, SamplingParams()).values())[-1]
    assert changes(reference.log_probabilities(usual), list(expected.values())[-1])


def test_every_knob_is_proven_somewhere() -> None:
    values = {name: {repr(case[name]) for case in CASES if name in case} for name in SamplingParams.model_fields}
    flags = {"ignore_eos"}
    here = {name for name, found in values.items() if len(found) >= (1 if name in flags else 2)}
    assert here | set(OVER_TEXTS) == set(SamplingParams.model_fields)
    assert not here & set(OVER_TEXTS)
    for place in OVER_TEXTS.values():
        file, name = place.split("::")
        assert f"def {name}(" in (PROJECT / "tests" / file).read_text(encoding="utf-8")
