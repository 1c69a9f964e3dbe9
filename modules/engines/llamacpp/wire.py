"""Our request as llama.cpp's completion body, and its stream as our events."""

import re
from typing import Any

from modules.engines.llamacpp.adapters import Scales
from modules.engines.llamacpp.kind import SAMPLERS
from modules.types.generation import (
    GenerationRequest,
    Progress,
    TextDelta,
    TokenChoice,
    TokenLogprob,
)
from modules.types.sampling import SamplingParams

RANDOM_SEED = 2**32 - 1
# How grammars name special tokens, and where they begin.
END_TOKEN = re.compile(r"<[^<>\s]+>")
START = re.compile(r"^start\s*:", re.MULTILINE)


def completion_body(
    request: GenerationRequest, grammar: str | None = None, scales: Scales | None = None
) -> dict[str, Any]:
    """`scales` are those of all loaded adapters: one that a request leaves out counts as it did when it was loaded.

    `return_progress` is always on: the callback, our only chance to cancel, fires on events alone."""
    return {
        "prompt": list(request.prompt_tokens),
        "n_predict": request.max_tokens,
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        **sampling_fields(request.sampling, len(request.prompt_tokens) + request.max_tokens),
        **({"grammar": grammar} if grammar else {}),
        # Control tokens whose text is wanted.
        **({"preserved_tokens": list(request.constraint.marks)} if request.constraint is not None else {}),
        **({"lora": scales} if scales else {}),
    }


def ending_with(grammar: str, end_token: str) -> str:
    """The grammar with the model's own end after it: llama.cpp lets a text end only with what it takes for the end of a
    turn, and where a vocabulary has several such tokens, that need not be the one that the model writes."""
    if not END_TOKEN.fullmatch(end_token):
        return grammar
    return START.sub(f"start: text_before_end ({end_token})?\ntext_before_end:", grammar, count=1)


def sampling_fields(knobs: SamplingParams, text_tokens: int) -> dict[str, Any]:
    """llama.cpp knows no range of -1, so "all" is as many tokens as the text will have at most: `text_tokens`."""
    fields: dict[str, Any] = {
        "temperature": knobs.temperature,
        "dynatemp_range": knobs.dynatemp_range,
        "dynatemp_exponent": knobs.dynatemp_exponent,
        "top_k": knobs.top_k,
        "top_p": knobs.top_p,
        "min_p": knobs.min_p,
        "top_n_sigma": knobs.top_n_sigma,
        "typical_p": knobs.typical_p,
        "xtc_probability": knobs.xtc_probability,
        "xtc_threshold": knobs.xtc_threshold,
        "repeat_penalty": knobs.repetition_penalty,
        "repeat_last_n": text_tokens if knobs.repetition_penalty_range < 0 else knobs.repetition_penalty_range,
        "presence_penalty": knobs.presence_penalty,
        "frequency_penalty": knobs.frequency_penalty,
        "dry_multiplier": knobs.dry_multiplier,
        "dry_base": knobs.dry_base,
        "dry_allowed_length": knobs.dry_allowed_length,
        "dry_penalty_last_n": text_tokens if knobs.dry_range < 0 else knobs.dry_range,
        # At least one is wanted, and an empty one passed over.
        "dry_sequence_breakers": knobs.dry_sequence_breakers or [""],
        "mirostat": knobs.mirostat,
        "mirostat_tau": knobs.mirostat_tau,
        "mirostat_eta": knobs.mirostat_eta,
        "adaptive_target": knobs.adaptive_target,
        "adaptive_decay": knobs.adaptive_decay,
        "seed": RANDOM_SEED if knobs.seed is None else knobs.seed,
        "ignore_eos": knobs.ignore_eos,
        "n_probs": knobs.n_probs,
        "logit_bias": biases(knobs),
    }
    if knobs.samplers is not None or knobs.adaptive_target >= 0:
        fields["samplers"] = sampler_order(knobs)
    return fields


def biases(knobs: SamplingParams) -> list[list[int | float | bool]]:
    """Pairs of a token and a number added to its logit; False forbids it."""
    added = [[int(token), bias] for token, bias in (knobs.logit_bias or {}).items()]
    return [*added, *([token, False] for token in knobs.banned_tokens)]


def sampler_order(knobs: SamplingParams) -> list[str]:
    """Adaptive-p chooses the token itself, so it stands last; llama.cpp leaves it out of its own order."""
    order: list[str] = list(knobs.samplers if knobs.samplers is not None else SAMPLERS)
    return [*order, "adaptive_p"] if knobs.adaptive_target >= 0 else order


def progress_event(chunk: dict[str, Any]) -> Progress | None:
    progress = chunk.get("prompt_progress")
    if not progress:
        return None
    return Progress("reading", progress["processed"] / max(progress["total"], 1))


def text_event(choice: dict[str, Any]) -> TextDelta | None:
    logprobs = choice.get("logprobs")
    if not choice["text"] and not logprobs:
        return None
    return TextDelta(choice["text"], tuple(token_logprob(entry) for entry in logprobs["content"]) if logprobs else ())


def token_logprob(entry: dict[str, Any]) -> TokenLogprob:
    return TokenLogprob(token_choice(entry), tuple(token_choice(other) for other in entry["top_logprobs"]))


def token_choice(entry: dict[str, Any]) -> TokenChoice:
    return TokenChoice(entry["token"], entry["logprob"], tuple(entry["bytes"]), entry["id"])
