"""Knobs that a model would pass over are refused by name, and the start token is the person's to leave out."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from modules.engines.llamacpp.kind import IGNORED_KNOBS
from modules.engines.llamacpp.kind import SAMPLERS as LLAMACPP_SAMPLERS
from modules.engines.loaded import LoadedModel
from modules.engines.protocol import Capabilities
from modules.errors import BadRequest
from modules.services.knob_checks import check_knobs
from modules.services.prompt_requests import tokens_of
from modules.types.sampling import SAMPLER_ORDER, SWITCHES, SamplingParams

LLAMACPP = Capabilities(100, 1, ignored_knobs=tuple(IGNORED_KNOBS), samplers=LLAMACPP_SAMPLERS, runs_on="llama.cpp")
SET: dict[str, Any] = {
    "smoothing_factor": 0.3, "smoothing_curve": 2.0, "tfs": 0.9, "top_a": 0.2, "epsilon_cutoff": 0.001, "eta_cutoff": 0.001,
    "no_repeat_ngram_size": 3, "encoder_repetition_penalty": 1.2, "guidance_scale": 1.5, "negative_prompt": "no",
    "banned_phrases": ["no"], "skip_special_tokens": False, "prompt_lookup_tokens": 4,
}  # fmt: skip


def test_all_that_llamacpp_ignores_is_known_here() -> None:
    assert set(SET) == IGNORED_KNOBS


@pytest.mark.parametrize(("name", "value"), SET.items())
def test_what_is_set_in_vain_is_refused_and_says_what_to_do(name: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=rf"runs on llama\.cpp, which does nothing with {name} .*Leave it") as refused:
        check_knobs(SamplingParams(**{name: value}), LLAMACPP)
    assert refused.value.field == name


def test_defaults_and_neutral_values_are_no_wishes() -> None:
    check_knobs(SamplingParams(), LLAMACPP)
    neutral = {name: SamplingParams.neutral(name) for name in SamplingParams.model_fields}
    check_knobs(SamplingParams(**neutral), LLAMACPP)
    everything_ignored = Capabilities(100, 1, ignored_knobs=tuple(SamplingParams.model_fields))
    check_knobs(SamplingParams(top_k=0, top_p=1.0, min_p=0.0, temperature=1.0), everything_ignored)
    with pytest.raises(BadRequest, match="top_k"):
        check_knobs(SamplingParams(top_k=5), everything_ignored)


def test_an_order_may_name_the_samplers_that_are_there() -> None:
    check_knobs(SamplingParams(samplers=list(LLAMACPP_SAMPLERS)), LLAMACPP)
    check_knobs(SamplingParams(samplers=[]), LLAMACPP)
    with pytest.raises(
        BadRequest, match=r"no sampler called top_a, smoothing\. The order may name: penalties, dry"
    ) as refused:
        check_knobs(SamplingParams(samplers=["top_k", "top_a", "smoothing"]), LLAMACPP)
    assert refused.value.field == "samplers"


def test_each_sampler_is_switched_on_by_its_own_knobs() -> None:
    assert tuple(SWITCHES) == SAMPLER_ORDER
    neutral = {name: SamplingParams.neutral(name) for name in SamplingParams.model_fields}
    assert not [name for name in SAMPLER_ORDER if SamplingParams(**neutral).acts(name)]
    assert SamplingParams().acts("temperature")
    assert SamplingParams(encoder_repetition_penalty=1.1).acts("penalties")


@dataclass
class Loaded:
    """A model whose token ids are its text's characters."""

    capabilities: Capabilities

    def tokenize(self, text: str) -> list[int]:
        return [ord(character) for character in text]


def test_a_prompt_begins_with_one_start_token_or_none() -> None:
    bos = cast(LoadedModel, Loaded(Capabilities(100, 1, bos_token_id=ord("^"))))
    assert [tokens_of(bos, text) for text in ("a", "^a")] == [(94, 97), (94, 97)]
    assert [tokens_of(bos, text, add_bos=False) for text in ("a", "^a")] == [(97,), (97,)]
    none = cast(LoadedModel, Loaded(Capabilities(100, 1)))
    assert [tokens_of(none, "^a", add_bos=add) for add in (True, False)] == [(94, 97), (94, 97)]
