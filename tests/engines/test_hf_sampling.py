"""The samplers against their published formulas on whole vocabularies, and the short cuts against the long way."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.engines.hf.breakers import NO_BREAKERS, Breakers, read_breakers
from modules.engines.hf.candidates import HEAD, Candidates, heads_of
from modules.engines.hf.repetition import repeated_runs
from modules.engines.hf.sampling import Sampler
from modules.engines.hf.token_texts import TokenTexts
from modules.errors import EngineError
from modules.types.sampling import SamplingParams

VOCABULARY = 2000
NEUTRAL: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 1}
END = 7


def logits_of(spread: float, seed: int = 0) -> Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed)) * spread


def sampler(prompt: tuple[int, ...] = (), breakers: Breakers = NO_BREAKERS, **knobs: Any) -> Sampler:
    return Sampler(SamplingParams(**{**NEUTRAL, **knobs}), prompt, (END,), breakers=breakers)


def left(logits: Tensor, history: tuple[int, ...] = (), **knobs: Any) -> Tensor:
    """What is drawn from: probabilities [vocabulary], in float64."""
    *_, (_, candidates) = sampler(history, **knobs).states(logits, list(history))
    found = torch.zeros(logits.numel(), dtype=torch.float64)
    _, ids, logprobs = candidates.likeliest(logits.numel())
    found[ids] = torch.exp(logprobs.double())
    return found


def drawn(logits: Tensor, count: int = 3000, history: tuple[int, ...] = (), **knobs: Any) -> Counter[int]:
    chooser = sampler(**knobs)
    return Counter(chooser.choose(logits, list(history)) for _ in range(count))


def kept_by(name: str, value: float, logits: Tensor) -> set[int]:
    """The tokens that a truncation leaves, by its formula on the whole sorted vocabulary."""
    probabilities = torch.softmax(logits.double(), 0)
    order = torch.argsort(probabilities, descending=True)
    ordered = probabilities[order]
    match name:
        case "top_k":
            return set(order[: int(value)].tolist())
        case "top_p":
            return set(order[: int((torch.cumsum(ordered, 0) < value).sum()) + 1].tolist())
        case "min_p":
            return set((probabilities >= value * ordered[0]).nonzero()[:, 0].tolist())
        case "top_n_sigma":
            return set((logits >= logits.max() - value * logits.std(unbiased=False)).nonzero()[:, 0].tolist())
        case "typical_p":
            surprise = -torch.log(probabilities)
            entropy = (probabilities * surprise).sum()
            near = torch.argsort((surprise - entropy).abs(), stable=True)
            return set(near[: int((torch.cumsum(probabilities[near], 0) < value).sum()) + 1].tolist())
        case "tfs":
            curvature = torch.diff(ordered, n=2).abs()
            passed = torch.cumsum(curvature / curvature.sum(), 0) > value
            return set(order[: int(passed.nonzero()[0, 0]) + 1].tolist())
        case "top_a":
            return set((probabilities >= value * ordered[0] ** 2).nonzero()[:, 0].tolist())
        case "epsilon_cutoff":
            return set((probabilities >= value).nonzero()[:, 0].tolist()) or {int(order[0])}
        case "eta_cutoff":
            entropy = -(probabilities * torch.log(probabilities)).sum()
            bound = min(value, math.sqrt(value) * math.exp(-entropy))
            return set((probabilities >= bound).nonzero()[:, 0].tolist()) or {int(order[0])}
        case _:
            raise AssertionError(name)


@pytest.mark.parametrize("spread", [0.01, 1.0, 4.0])
@pytest.mark.parametrize(
    ("name", "value"),
    [("top_k", 1), ("top_k", 40), ("top_k", 900), ("top_p", 0.1), ("top_p", 0.95), ("min_p", 0.05), ("min_p", 0.9), ("top_n_sigma", 1.0), ("typical_p", 0.3), ("tfs", 0.3), ("tfs", 0.95), ("top_a", 0.2), ("top_a", 1.0), ("epsilon_cutoff", 0.0004), ("epsilon_cutoff", 0.9), ("eta_cutoff", 0.0006), ("eta_cutoff", 0.5)],
)  # fmt: skip
def test_truncations_keep_what_their_formula_keeps(name: str, value: float, spread: float) -> None:
    """Flat, usual and steep distributions: the flat ones reach beyond the sorted head."""
    logits = logits_of(spread)
    found = set(left(logits, **{name: value}).nonzero()[:, 0].tolist())
    assert found == kept_by(name, value, logits)
    assert set(drawn(logits, 300, **{name: value})) <= found


@pytest.mark.parametrize(
    "knobs", [{}, {"temperature": 0.5}, {"temperature": 1.7}, {"top_k": 5}, {"top_p": 0.6}, {"min_p": 0.2}]
)
def test_what_is_left_is_drawn_by_its_probability(knobs: dict[str, Any]) -> None:
    logits = torch.full((VOCABULARY,), -30.0)
    logits[:6] = torch.tensor([3.0, 2.5, 2.0, 1.0, 0.5, 0.0])
    count = 6000
    found = drawn(logits, count, **knobs)
    kept = {0, 1, 2, 3, 4, 5}
    if "top_k" in knobs:
        kept = {0, 1, 2, 3, 4}
    for name in {"top_p", "min_p"} & set(knobs):
        kept = kept_by(name, knobs[name], logits)
    scaled = logits[sorted(kept)].double() / knobs.get("temperature", 1.0)
    for token, share in zip(sorted(kept), torch.softmax(scaled, 0).tolist(), strict=True):
        assert abs(found[token] / count - share) < 5 * math.sqrt(share * (1 - share) / count) + 1e-3


def test_the_head_is_not_seen_in_the_draws() -> None:
    """A flat distribution: each of 2,000 tokens must come, the sorted head no more often than the rest."""
    found = drawn(torch.zeros(VOCABULARY), 20_000)
    assert len(found) > 0.99 * VOCABULARY
    likeliest = set(Candidates(torch.zeros(VOCABULARY)).ids.tolist())
    share = sum(found[token] for token in likeliest) / 20_000
    assert share == pytest.approx(HEAD / VOCABULARY, abs=0.02)


@pytest.mark.parametrize("knows_head", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_changes_come_to_what_they_would_on_the_sorted_whole(seed: int, *, knows_head: bool) -> None:
    logits, chance = logits_of(3.0, seed), torch.Generator().manual_seed(seed)
    candidates, whole = Candidates(logits, heads_of(logits[None])[0] if knows_head else None), logits.clone()
    for count, shift in ((3, 4.0), (300, -2.0), (1000, 1.0)):
        tokens = torch.randperm(VOCABULARY, generator=chance)[:count]
        candidates.change(tokens, lambda before, shift=shift: before + shift)
        whole[tokens] += shift
        forbidden = torch.cat((torch.topk(whole, 5).indices, tokens[:2]))
        candidates.forbid(forbidden)
        whole[forbidden] = -math.inf
        held = len(candidates)
        values, ids = torch.sort(whole, descending=True)
        assert candidates.logits.equal(values[:held])
        assert candidates.ids.equal(ids[:held])
        assert float(candidates.probabilities()[0]) == pytest.approx(float(torch.softmax(whole, 0).max()), rel=1e-5)
    assert logits.equal(logits_of(3.0, seed)), "they are the model's own, and others look at them too"
    candidates.extend()
    assert candidates.logits.equal(values)


def test_xtc_leaves_the_least_likely_of_the_top_choices() -> None:
    logits = torch.full((VOCABULARY,), -30.0)
    logits[:4] = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    assert set(drawn(logits, 400, xtc_probability=1.0, xtc_threshold=0.1)) == {2, 3}
    assert set(drawn(logits, 400, xtc_probability=0.0, xtc_threshold=0.1)) == {0, 1, 2, 3}


def softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits.double(), 0)


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, atol=1e-6)


def test_penalties() -> None:
    logits = torch.zeros(VOCABULARY)
    logits[10], logits[11] = 6.0, -6.0
    before = logits.clone()
    expected = logits.clone()
    expected[10], expected[11] = 3.0, -12.0
    assert close(left(logits, (10, 11), repetition_penalty=2.0), softmax(expected))
    expected = logits.clone()
    expected[10] = 6.0 - 1.0 - 1.5
    assert close(left(logits, (10, 10, 10), presence_penalty=1.0, frequency_penalty=0.5), softmax(expected))
    expected = logits.clone()
    expected[11] = -12.0
    assert close(left(logits, (10, 11), repetition_penalty=2.0, repetition_penalty_range=1), softmax(expected))
    assert close(left(logits, (10, 11), repetition_penalty=2.0, samplers=["temperature"]), softmax(logits))
    assert torch.equal(logits, before)


def runs(recent: list[int], *breakers: int) -> dict[int, int]:
    limit = Breakers({token: frozenset({()}) for token in breakers}).run_limit(recent)
    return repeated_runs(recent, limit, 1)


def test_dry_counts_runs() -> None:
    assert runs([1, 2, 3, 9, 1, 2, 3]) == {9: 3}
    assert runs([5, 5, 5]) == {5: 2}
    assert runs([1, 2, 3, 9, 1, 2, 3], 2) == {9: 1}
    assert runs([1, 2, 3, 9, 1, 2, 3], 3) == {}
    assert runs([]) == {}
    expected = torch.zeros(VOCABULARY)
    expected[9] = -2.0 * 3.0**2
    knobs = {"dry_multiplier": 2.0, "dry_base": 3.0, "dry_allowed_length": 1}
    assert close(left(torch.zeros(VOCABULARY), (1, 2, 3, 9, 1, 2, 3), **knobs), softmax(expected))


def test_dry_looks_back_by_its_own_range() -> None:
    history, flat = (1, 2, 3, 9, 1, 2, 3), torch.zeros(VOCABULARY)
    knobs: dict[str, Any] = {"dry_multiplier": 2.0, "dry_allowed_length": 1}
    assert close(left(flat, history, **knobs, dry_range=4), softmax(flat))
    assert close(left(flat, history, **knobs, dry_range=0), softmax(flat))
    assert not close(left(flat, history, **knobs, dry_range=7, repetition_penalty_range=0), softmax(flat))


TEXTS = ["a", "b\n", "one:", "x", "y", "xy"]


def test_breakers_are_texts_in_or_across_tokens() -> None:
    """ "xy" is a token, and it is what "x" and "y" make together; a run begins anew behind either."""
    tokens = TokenTexts(TEXTS)
    breakers = read_breakers(("\n", "xy"), tokens, lambda text: [TEXTS.index(text)])
    assert [token in breakers for token in range(6)] == [False, True, False, False, False, True]
    assert breakers.run_limit([0, 1, 2, 2]) == 2
    assert breakers.run_limit([0, 3, 4, 2]) == 1
    assert breakers.run_limit([0, 3, 0, 2]) == 4
    knobs: dict[str, Any] = {"dry_multiplier": 1.0, "dry_base": 2.0, "dry_allowed_length": 1, "breakers": breakers}
    chooser = sampler(**knobs)
    history, flat = [0, 2, 3, 4, 0, 2, 0, 2, 3, 4, 0], torch.zeros(6)
    *_, (_, candidates) = chooser.states(flat, history)
    expected = flat.clone()
    expected[2] = -1.0
    found = torch.zeros(6)
    found[candidates.ids] = candidates.probabilities()
    assert close(found.double(), softmax(expected))


@pytest.mark.parametrize(("size", "banned"), [(1, {5, 6, 7, 8}), (2, {7}), (3, {7}), (4, set[int]())])
def test_no_ngram_comes_twice(size: int, banned: set[int]) -> None:
    found = left(torch.zeros(VOCABULARY), (5, 6, 7, 8, 5, 6), no_repeat_ngram_size=size)
    assert set((found == 0).nonzero()[:, 0].tolist()) == banned


def test_an_ngram_comes_twice_where_nothing_else_may_follow() -> None:
    assert set(drawn(torch.zeros(2), 200, (0, 1), no_repeat_ngram_size=1)) == {0, 1}


def test_tokens_of_the_prompt_are_favoured() -> None:
    logits = torch.zeros(VOCABULARY)
    logits[10], logits[11], logits[12] = 6.0, -6.0, 5.0
    expected = logits.clone()
    expected[10], expected[11] = 12.0, -3.0
    assert close(left(logits, (10, 11), encoder_repetition_penalty=2.0), softmax(expected))


@pytest.mark.parametrize(("factor", "curve"), [(0.3, 1.0), (0.3, 2.5), (1.0, 3.0), (0.2, 5.0)])
@pytest.mark.parametrize("top_k", [0, 50])
def test_smoothing(factor: float, curve: float, top_k: int) -> None:
    """A curve above 3 makes other tokens the likeliest."""
    logits = logits_of(1.0)
    kept = torch.full_like(logits, -math.inf)
    best = torch.topk(logits, top_k or VOCABULARY).indices
    kept[best] = logits[best]
    below = kept.double() - kept.max()
    square, cube = (3 - curve) / 2, (curve - 1) / 2
    bent = kept.max() - square * factor * below**2 + cube * factor * below**3
    bent[kept == -math.inf] = -math.inf
    found = left(logits, smoothing_factor=factor, smoothing_curve=curve, top_k=top_k)
    assert close(found, torch.softmax(bent, 0))


def test_adaptive_p_follows_its_formula_and_its_memory() -> None:
    """llama.cpp's: logits by the distance from a target that moves against what was chosen."""
    logits = logits_of(2.0)
    logits[[1, 2]] = -math.inf
    chooser = sampler(adaptive_target=0.3, adaptive_decay=0.5, min_p=0.01)
    original = left(logits, min_p=0.01)
    total, weights = 0.3 / 0.5, 1 / 0.5
    for _ in range(5):
        target = min(max(2 * 0.3 - total / weights, 0.0), 1.0)
        distance = (original - target).abs() / 0.3
        shaped = 5.0 - 10.0 * distance**2 / (1 + distance)
        shaped[original == 0] = -math.inf
        *_, (name, candidates) = chooser.states(logits, [])
        assert name == "adaptive_p"
        found = torch.zeros(VOCABULARY, dtype=torch.float64)
        found[candidates.ids] = candidates.probabilities().double()
        assert close(found, torch.softmax(shaped, 0))
        chosen = chooser.choose(logits, [])
        total, weights = float(original[chosen]) + 0.5 * total, 1 + 0.5 * weights


def test_guidance_goes_beyond_the_prompt() -> None:
    logits, negative = logits_of(1.0), logits_of(1.0, seed=1)
    *_, (name, candidates) = sampler(guidance_scale=1.8).states(logits, [], negative)
    expected = torch.log_softmax(negative.double(), 0)
    expected += 1.8 * (torch.log_softmax(logits.double(), 0) - expected)
    found = torch.zeros(VOCABULARY, dtype=torch.float64)
    candidates.extend()
    found[candidates.ids] = candidates.probabilities().double()
    assert name == "guidance"
    assert close(found, torch.softmax(expected, 0))


def test_the_order_of_samplers_counts() -> None:
    """Top-p before and after a high temperature; a penalty on what top-k has left."""
    logits = logits_of(2.0)
    first = left(logits, top_p=0.5, temperature=3.0, samplers=["top_p", "temperature"])
    last = left(logits, top_p=0.5, temperature=3.0, samplers=["temperature", "top_p"])
    assert int((first > 0).sum()) < int((last > 0).sum())
    best = [int(token) for token in torch.topk(logits, 3).indices]
    knobs: dict[str, Any] = {"top_k": 2, "presence_penalty": 2.0, "temperature": 0.0}
    steep = torch.zeros(VOCABULARY)
    steep[best] = torch.tensor([4.0, 3.0, 2.9])
    history = (best[0], best[1])
    assert set(drawn(steep, 20, history, **knobs)) == {best[2]}
    assert set(drawn(steep, 20, history, **knobs, samplers=["top_k", "penalties", "temperature"])) == {best[0]}


@pytest.mark.parametrize(
    "knobs",
    [{"top_k": 3}, {"top_p": 0.1}, {"min_p": 0.5}, {"tfs": 0.1}, {"top_a": 0.9}, {"epsilon_cutoff": 0.5}, {"eta_cutoff": 0.5}, {"typical_p": 0.1}, {"top_n_sigma": 0.1}, {"xtc_probability": 1.0, "xtc_threshold": 0.0}, {"smoothing_factor": 2.0}, {"temperature": 0.0}, {"presence_penalty": 2.0}, {"dry_multiplier": 5.0, "dry_allowed_length": 1}, {"no_repeat_ngram_size": 1}, {"encoder_repetition_penalty": 3.0}],
    ids=lambda knobs: next(iter(knobs)),
)  # fmt: skip
def test_a_sampler_that_is_left_out_does_nothing(knobs: dict[str, Any]) -> None:
    logits, history = logits_of(1.0), (3, 4, 5, 3, 4)
    assert not close(left(logits, history, **knobs), softmax(logits))
    assert close(left(logits, history, **knobs, samplers=[]), softmax(logits))


def test_steps_are_those_that_are_switched_on() -> None:
    def names(**knobs: Any) -> list[str]:
        return [name for name, _ in sampler(**knobs).states(logits_of(1.0), [1, 2])]

    assert names() == ["model"]
    assert names(top_k=5, temperature=0.0) == ["model", "top_k", "temperature"]
    assert names(ignore_eos=True, xtc_probability=0.01, min_p=0.1) == ["model", "bans", "min_p", "xtc"]
    assert names(mirostat=2, top_k=5, adaptive_target=0.5) == ["model", "mirostat"]


def test_the_likeliest_token_is_that_of_what_is_left() -> None:
    """Steps that make no difference are left out only where that is true."""
    logits = torch.full((VOCABULARY,), -30.0)
    logits[:4] = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    cold: dict[str, Any] = {"temperature": 0.0, "top_k": 3, "top_p": 0.9}
    assert set(drawn(logits, 5, **cold)) == {0}
    assert set(drawn(logits, 5, **cold, xtc_probability=1.0, xtc_threshold=0.1)) == {2}
    assert set(drawn(logits, 5, **cold, xtc_probability=1.0, xtc_threshold=0.4)) == {0}


def test_banned_tokens_never_come() -> None:
    logits = torch.full((VOCABULARY,), -30.0)
    logits[:3] = torch.tensor([5.0, 4.0, 3.0])
    assert set(drawn(logits, 200, banned_tokens=[0, 2], top_k=1)) == {1}
    with pytest.raises(EngineError, match="No token is left"):
        drawn(torch.zeros(3), 1, banned_tokens=[0, 1, 2])


def test_bias_and_the_end() -> None:
    logits = torch.zeros(VOCABULARY)
    assert set(drawn(logits, 50, logit_bias={"5": 100.0})) == {5}
    assert 5 not in drawn(logits, 3000, logit_bias={"5": -100.0})
    logits[END] = 50.0
    assert set(drawn(logits, 50)) == {END}
    assert END not in drawn(logits, 500, ignore_eos=True)


def test_dynamic_temperature_is_cold_when_the_model_is_sure() -> None:
    sure, unsure = torch.full((VOCABULARY,), -5.0), logits_of(0.1)
    sure[3] = 9.0
    knobs = {"temperature": 2.0, "dynatemp_range": 2.0}
    assert set(drawn(sure, 300, **knobs)) == {3}
    assert len(drawn(unsure, 300, **knobs)) > 200


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_steers_towards_its_target(version: int) -> None:
    logits = logits_of(3.0)
    surprise = -torch.log_softmax(logits.double(), 0) / math.log(2)
    means = []
    for target in (1.0, 5.0):
        chooser = sampler(mirostat=version, mirostat_tau=target, mirostat_eta=0.2)
        chosen = [chooser.choose(logits, []) for _ in range(400)]
        means.append(float(surprise[chosen[100:]].mean()))
    assert means[0] < means[1]


def test_a_seed_is_ones_own() -> None:
    """The same draws whatever other requests draw meanwhile."""
    logits = logits_of(1.0)
    alone = sampler(seed=5)
    expected = [alone.choose(logits, []) for _ in range(20)]
    first, other = sampler(seed=5), sampler(seed=6)
    found = []
    for _ in range(20):
        other.choose(logits, [])
        found.append(first.choose(logits, []))
    assert found == expected


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_fail(value: float) -> None:
    logits = torch.full((VOCABULARY,), value)
    with pytest.raises(EngineError, match="not finite"):
        sampler().choose(logits, [])
