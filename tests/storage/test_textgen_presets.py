"""Presets as text-generation-webui writes them mean here what they mean there."""

from typing import Any

import pytest

from modules.engines.registry import engine_named
from modules.errors import BadRequest
from modules.storage.preset_files import parsed
from modules.storage.textgen_presets import RARE
from modules.types.sampling import SAMPLER_ORDER

# What every preset of theirs says by what it leaves out, where our defaults differ.
NEUTRAL = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty_range": 1024,
    "dry_range": 1024,
}
# Theirs takes the temperature before it truncates.
HOT_FIRST = ["penalties", "dry", "temperature", "top_n_sigma", "top_k", "top_p", "typ_p", "min_p", "xtc"]


def values_of(text: str) -> dict[str, Any]:
    return parsed("theirs", text).values


def test_what_is_left_out_is_neutral() -> None:
    assert values_of("top_p: 0.9\n") == {**NEUTRAL, "top_p": 0.9}
    assert values_of("temperature: 1.0\nmin_p: 0.1\n") == {**NEUTRAL, "min_p": 0.1}


def test_a_preset_as_it_is_written_today() -> None:
    text = """\
temperature: 1.25
top_n_sigma: 1.5
xtc_threshold: 0.12
xtc_probability: 0.5
dry_multiplier: 0.8
dry_sequence_breakers: '"\\n", ":", "\\"", "*", "<|im_end|>"'
repetition_penalty_range: 0
"""
    expected: dict[str, Any] = {
        **NEUTRAL,
        "temperature": 1.25,
        "top_n_sigma": 1.5,
        "xtc_threshold": 0.12,
        "xtc_probability": 0.5,
        "dry_multiplier": 0.8,
        "dry_sequence_breakers": ["\n", ":", '"', "*", "<|im_end|>"],
        "repetition_penalty_range": -1,
        "samplers": HOT_FIRST,
    }
    # A range of -1, the whole text, is our default for DRY.
    del expected["dry_range"]
    assert values_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epsilon_cutoff: 3\neta_cutoff: 12\n", {"epsilon_cutoff": 0.0003, "eta_cutoff": 0.0012}),
        ("mirostat_mode: 2\nmirostat_tau: 8\nmirostat_eta: 0.2\n", {"mirostat": 2, "mirostat_tau": 8, "mirostat_eta": 0.2}),
        ("adaptive_target: 0.4\nadaptive_decay: 0.8\n", {"adaptive_target": 0.4, "adaptive_decay": 0.8}),
        ("adaptive_target: 0\n", {}),
        ("top_n_sigma: 0\n", {}),
        ("tfs: 0.9\ntop_a: 0.2\ntypical_p: 0.8\n", {"tfs": 0.9, "top_a": 0.2, "typical_p": 0.8}),
        ("guidance_scale: 1.5\nnegative_prompt: dull\n", {"guidance_scale": 1.5, "negative_prompt": "dull"}),
        ("encoder_repetition_penalty: 1.1\nno_repeat_ngram_size: 3\n", {"encoder_repetition_penalty": 1.1, "no_repeat_ngram_size": 3}),
        ("custom_token_bans: '1, 2,30'\n", {"banned_tokens": [1, 2, 30]}),
        ("custom_token_bans: 7\n", {"banned_tokens": [7]}),
        ("custom_token_bans: ''\n", {}),
        ("custom_stopping_strings: '\"\\nUser:\", ''it'''\n", {"stop": ["\nUser:", "it"]}),
        ("custom_stopping_strings: '[\"a, b\", \"\\u00e9\"]'\n", {"stop": ["a, b", "é"]}),
        ("custom_stopping_strings: ['a', 'b']\n", {"stop": ["a", "b"]}),
        ("ban_eos_token: true\nadd_bos_token: false\nskip_special_tokens: false\n", {"ignore_eos": True, "add_bos": False, "skip_special_tokens": False}),
        ("seed: -1\n", {}),
        ("seed: 12\n", {"seed": 12}),
        ("max_new_tokens: 300\n", {"max_tokens": 300}),
        ("max_new_tokens: 300\nauto_max_new_tokens: true\n", {}),
        ("prompt_lookup_num_tokens: 4\n", {"prompt_lookup_tokens": 4}),
        ("grammar_string: 'root ::= \"a\"'\n", {"constraint": {"kind": "gbnf", "source": 'root ::= "a"'}}),
        ("grammar_string: ''\n", {}),
    ],
)  # fmt: skip
def test_names_and_units(text: str, expected: dict[str, Any]) -> None:
    assert values_of(text) == {**NEUTRAL, **expected}


def test_dynamic_temperature_has_two_ends_there() -> None:
    values = values_of("dynamic_temperature: true\ndynatemp_low: 0.5\ndynatemp_high: 2\ntemperature: 3\n")
    assert (values["temperature"], values["dynatemp_range"]) == (1.25, 0.75)
    assert values["samplers"] == HOT_FIRST
    assert "dynatemp_range" not in values_of("dynatemp_low: 0.5\ndynatemp_high: 2\n")


def test_without_sampling_the_likeliest_token_is_taken() -> None:
    values = values_of(
        "do_sample: false\ntemperature: 2\nxtc_probability: 1\nmirostat_mode: 2\nrepetition_penalty: 1.2\n"
    )
    assert values == {**NEUTRAL, "temperature": 0.0, "repetition_penalty": 1.2}


def test_orders() -> None:
    assert values_of("temperature: 0.5\ntemperature_last: true\n")["samplers"] == [
        "penalties", "dry", "top_n_sigma", "top_k", "top_p", "typ_p", "min_p", "xtc", "temperature",
    ]  # fmt: skip
    # One name a line, between commas, or a list; what it does not name comes last, penalties first.
    for given in (
        '"xtc\\nmin_p\\ntop_k\\ntemperature"',
        "xtc, min_p, top_k, temperature",
        "[xtc, min_p, top_k, temperature]",
    ):
        values = values_of(f"sampler_priority: {given}\ntfs: 0.5\nsmoothing_factor: 0.2\n")
        assert values["samplers"] == [
            "penalties", "dry", "xtc", "min_p", "top_k", "temperature", "smoothing", "top_n_sigma", "top_p", "typ_p", "tfs",
        ]  # fmt: skip


def test_orders_name_what_llamacpp_has_unless_more_is_needed() -> None:
    """It would refuse an order with a sampler that it does not have."""
    assert set(SAMPLER_ORDER) - RARE == set(engine_named("llamacpp").samplers)
    assert set(values_of("temperature: 1.5\n")["samplers"]) == set(SAMPLER_ORDER) - RARE


def test_what_has_no_equal_here_is_kept_and_named() -> None:
    preset = parsed("theirs", "penalty_alpha: 0.6\ntop_k: 4\nnum_beams: 2\ntruncation_length: 2048\n")
    assert preset.unknown == {"penalty_alpha": 0.6, "num_beams": 2, "truncation_length": 2048}
    assert preset.values["top_k"] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("temperature: hot\n", "Temperature must be a number, and it was 'hot'"),
        ("temperature: 9\n", "Temperature can be 5 at most, and it was 9"),
        ("epsilon_cutoff: much\n", "epsilon_cutoff must be a number"),
        ("do_sample: maybe\n", "do_sample must be true or false"),
        ("custom_token_bans: 1 and 2\n", "custom_token_bans must be token ids"),
        ("custom_stopping_strings: __import__('os').system('true')\n", "quoted texts between commas"),
        ("sampler_priority: 3\n", "sampler_priority must be a list of names"),
        ("grammar_string: [1]\n", "Structure"),
    ],
)
def test_wrong_values_are_named(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parsed("theirs", text)
