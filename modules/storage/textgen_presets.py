"""Presets as text-generation-webui writes them, in our words and units.

A key that its presets hold and this one leaves out means its default there: what changes nothing, for most. So the
result says everything about sampling, also where our defaults differ.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from modules.errors import BadRequest
from modules.types.parameters import Parameters
from modules.types.sampling import SWITCHES, SamplerName, SamplingParams, shown_of

# Of the keys below, what its presets leave out.
USUAL: dict[str, Any] = {
    "temperature": 1,
    "dynamic_temperature": False,
    "dynatemp_low": 1,
    "dynatemp_high": 1,
    "dynatemp_exponent": 1,
    "smoothing_factor": 0,
    "smoothing_curve": 1,
    "top_p": 1,
    "top_k": 0,
    "min_p": 0,
    "top_n_sigma": 0,
    "typical_p": 1,
    "tfs": 1,
    "top_a": 0,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
    "xtc_threshold": 0.1,
    "xtc_probability": 0,
    "adaptive_target": 0,
    "adaptive_decay": 0.9,
    "dry_multiplier": 0,
    "dry_base": 1.75,
    "dry_allowed_length": 2,
    "dry_sequence_breakers": '"\\n", ":", "\\"", "*"',
    "repetition_penalty": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "repetition_penalty_range": 1024,
    "encoder_repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "mirostat_mode": 0,
    "mirostat_tau": 5,
    "mirostat_eta": 0.1,
    "guidance_scale": 1,
    "do_sample": True,
    "temperature_last": False,
    "sampler_priority": [
        "repetition_penalty", "dry", "temperature", "dynamic_temperature", "quadratic_sampling", "top_n_sigma", "top_k",
        "top_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "tfs", "top_a", "min_p", "xtc", "no_repeat_ngram",
    ],
}  # fmt: skip
SAME = frozenset(USUAL) & frozenset(Parameters.model_fields)
RENAMED = {
    "mirostat_mode": "mirostat",
    "ban_eos_token": "ignore_eos",
    "add_bos_token": "add_bos",
    "skip_special_tokens": "skip_special_tokens",
    "prompt_lookup_num_tokens": "prompt_lookup_tokens",
    "negative_prompt": "negative_prompt",
}
# Set beside its presets; a file may hold them all the same.
ASIDE = frozenset(
    ["seed", "max_new_tokens", "auto_max_new_tokens", "custom_stopping_strings", "custom_token_bans", "grammar_string"]
)
KNOWN = frozenset(USUAL) | frozenset(RENAMED) | ASIDE
CUTOFFS_PER_ONE = 10_000
SAMPLERS: dict[str, SamplerName] = {
    "repetition_penalty": "penalties",
    "presence_penalty": "penalties",
    "frequency_penalty": "penalties",
    "dry": "dry",
    "no_repeat_ngram": "no_repeat_ngram",
    "top_n_sigma": "top_n_sigma",
    "top_k": "top_k",
    "typical_p": "typ_p",
    "tfs": "tfs",
    "top_a": "top_a",
    "epsilon_cutoff": "epsilon",
    "eta_cutoff": "eta",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc": "xtc",
    "quadratic_sampling": "smoothing",
}
TEMPERATURES = ("temperature", "dynamic_temperature", "quadratic_sampling")
# They once could not be sorted and came first; all others that a list does not name come last.
EARLY = ("repetition_penalty", "dry", "no_repeat_ngram")
# Samplers that not every engine has: named in an order only when they act.
RARE: frozenset[SamplerName] = frozenset(["no_repeat_ngram", "tfs", "top_a", "epsilon", "eta", "smoothing"])
QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def translated(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values in our words, what has no equal here). Raises BadRequest naming the key that is wrong."""
    their = {**USUAL, **fields}
    values = {name: their[name] for name in SAME}
    values |= {ours: their[name] for name, ours in RENAMED.items() if name in their}
    values |= temperatures(their)
    values |= {name: number(their, name) / CUTOFFS_PER_ONE for name in ("epsilon_cutoff", "eta_cutoff")}
    values["top_n_sigma"] = number(their, "top_n_sigma") or -1
    values["adaptive_target"] = number(their, "adaptive_target") or -1
    values["repetition_penalty_range"] = values["dry_range"] = number(their, "repetition_penalty_range") or -1
    values["dry_sequence_breakers"] = texts(their, "dry_sequence_breakers")
    values |= ends_and_bans(their)
    if not flag(their, "do_sample"):
        values |= greedy()
    elif (order := sampler_order(their, values)) is not None:
        values["samplers"] = order
    return values, {name: value for name, value in fields.items() if name not in KNOWN}


def temperatures(their: Mapping[str, Any]) -> dict[str, Any]:
    """Its dynamic temperature has two ends where ours has a middle and a range."""
    if not flag(their, "dynamic_temperature"):
        return {}
    low, high = number(their, "dynatemp_low"), number(their, "dynatemp_high")
    return {"temperature": (low + high) / 2, "dynatemp_range": abs(high - low) / 2}


def ends_and_bans(their: Mapping[str, Any]) -> dict[str, Any]:
    """What there is of ASIDE."""
    values: dict[str, Any] = {}
    if "seed" in their:
        values["seed"] = None if their["seed"] == -1 else their["seed"]
    if "max_new_tokens" in their:
        values["max_tokens"] = their["max_new_tokens"]
    if "auto_max_new_tokens" in their and flag(their, "auto_max_new_tokens"):
        values["max_tokens"] = None
    if "custom_stopping_strings" in their:
        values["stop"] = texts(their, "custom_stopping_strings")
    if "custom_token_bans" in their:
        values["banned_tokens"] = token_ids(their, "custom_token_bans")
    if their.get("grammar_string"):
        values["constraint"] = {"kind": "gbnf", "source": their["grammar_string"]}
    return values


def greedy() -> dict[str, Any]:
    """It takes the likeliest token then, whatever else chooses among several."""
    choosing = {
        name: SamplingParams.neutral(name)
        for name in SamplingParams.model_fields
        if shown_of(SamplingParams, name)["group"] in {"temperature", "truncation"}
    }
    return {**choosing, "mirostat": 0, "adaptive_target": -1, "temperature": 0}


def sampler_order(their: Mapping[str, Any], values: Mapping[str, Any]) -> list[SamplerName] | None:
    """Its order where that matters: it takes the temperature first, we take it last."""
    heats = acts("temperature", values) or acts("smoothing", values)
    if not heats and their["sampler_priority"] == USUAL["sampler_priority"]:
        return None
    theirs = lines(their, "sampler_priority")
    early = [name for name in EARLY if name not in theirs]
    names = [*early, *theirs, *cast("list[str]", USUAL["sampler_priority"])]
    if flag(their, "temperature_last"):
        names = [name for name in names if name not in TEMPERATURES] + [*TEMPERATURES]
    heated = "dynamic_temperature" if flag(their, "dynamic_temperature") else "temperature"
    samplers: dict[str, SamplerName] = {**SAMPLERS, heated: "temperature"}
    named: dict[SamplerName, None] = dict.fromkeys(samplers[name] for name in names if name in samplers)
    return [name for name in named if name not in RARE or acts(name, values)]


def acts(sampler: SamplerName, values: Mapping[str, Any]) -> bool:
    return any(knob in values and values[knob] != SamplingParams.neutral(knob) for knob in SWITCHES[sampler])


def number(their: Mapping[str, Any], name: str) -> float | int:
    value = their[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{name} must be a number", field=name)
    return value


def flag(their: Mapping[str, Any], name: str) -> bool:
    value = their[name]
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false", field=name)
    return value


def lines(their: Mapping[str, Any], name: str) -> list[str]:
    """A list, or one name a line or between commas."""
    match their[name]:
        case str() as text:
            return [part.strip() for part in re.split(r"[\n,]", text) if part.strip()]
        case list():
            return [str(one) for one in cast("Sequence[object]", their[name])]
        case _:
            raise BadRequest(f"{name} must be a list of names", field=name)


def texts(their: Mapping[str, Any], name: str) -> list[str]:
    """A list, or quoted texts between commas, with brackets or without. Nothing of it is evaluated."""
    value = their[name]
    if isinstance(value, list):
        return [str(one) for one in cast("Sequence[object]", value)]
    text = str(value or "").strip().removeprefix("[").removesuffix("]")
    found = list(QUOTED.finditer(text))
    if QUOTED.sub("", text).replace(",", "").strip():
        raise BadRequest(f"{name} must be quoted texts between commas", field=name)
    return [unescaped(one[1] if one[1] is not None else one[2]) for one in found]


def unescaped(text: str) -> str:
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", lambda found: character(found[1]), text, flags=re.DOTALL)


def character(escape: str) -> str:
    return json.loads(f'"\\{escape}"') if len(escape) > 1 else ESCAPES.get(escape, escape)


def token_ids(their: Mapping[str, Any], name: str) -> list[int]:
    """A list, one id, or ids between commas."""
    parts = str(their[name]).strip("[] ").split(",") if their[name] not in (None, "") else []
    try:
        return [int(part) for part in parts if part.strip()]
    except ValueError as error:
        raise BadRequest(f"{name} must be token ids between commas", field=name) from error
