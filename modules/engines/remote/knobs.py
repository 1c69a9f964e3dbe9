"""Sampling and constraints in the words of each kind of server, and the knobs that each would pass over."""

import json
from typing import Any, Literal

from modules.engines.llamacpp import kind as llamacpp
from modules.engines.llamacpp.wire import sampling_fields
from modules.errors import BadRequest
from modules.types.generation import Constraint, ConstraintKind
from modules.types.sampling import SAMPLER_ORDER, SamplerName, SamplingParams

# "openai" is any server that says nothing else of itself, and so gets OpenAI's own fields alone.
ServerKind = Literal["openai", "vllm", "sglang", "llamacpp", "parlor"]
TITLES: dict[ServerKind, str] = {
    "openai": "an OpenAI-compatible server",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "llamacpp": "llama.cpp's server",
    "parlor": "another Parlor",
}

OPENAI = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "n_probs"})
USUAL = OPENAI | {"top_k", "min_p", "repetition_penalty", "ignore_eos"}
ALL = frozenset(SamplingParams.model_fields)
# Another Parlor refuses for itself what its own engine would pass over.
IGNORED: dict[ServerKind, frozenset[str]] = {
    "openai": ALL - OPENAI,
    "vllm": ALL - USUAL,
    "sglang": ALL - USUAL,
    "llamacpp": llamacpp.IGNORED_KNOBS | {"add_bos"},
    "parlor": frozenset(),
}
# What "all tokens" means to a llama.cpp server, which wants a number.
LONG_TEXT_TOKENS = 131_072
CONSTRAINTS: dict[ServerKind, tuple[ConstraintKind, ...]] = {
    "openai": ("json_schema",),
    "vllm": ("json_schema", "regex", "choice", "gbnf"),
    "sglang": ("json_schema", "regex", "gbnf"),
    "llamacpp": ("json_schema", "choice", "gbnf"),
    "parlor": ("json_schema", "regex", "choice", "gbnf", "lark"),
}


def knob_fields(knobs: SamplingParams, kind: ServerKind) -> dict[str, Any]:
    """Without log-probabilities, which chats and completions ask for in different ways."""
    if kind == "llamacpp":
        fields = sampling_fields(knobs, LONG_TEXT_TOKENS)
        return {name: value for name, value in fields.items() if name != "n_probs"}
    fields = knobs.model_dump(exclude=set(IGNORED[kind] | {"n_probs"}), exclude_none=True)
    if kind in {"vllm", "sglang"} and knobs.top_k == 0:
        fields["top_k"] = -1
    return fields


def samplers(kind: ServerKind) -> tuple[SamplerName, ...]:
    """Those that an order may name."""
    return llamacpp.SAMPLERS if kind == "llamacpp" else SAMPLER_ORDER


def constraint_fields(constraint: Constraint, kind: ServerKind, *, chat: bool) -> dict[str, Any]:
    """Raises BadRequest where this kind of server cannot follow it. Only the sort was checked, not the source."""
    source = constraint.source
    if constraint.kind not in CONSTRAINTS[kind] or (kind == "openai" and not chat):
        raise BadRequest(
            f"This model runs on {TITLES[kind]}, which cannot follow a {constraint.kind} constraint here.",
            field="response_format",
        )
    if constraint.kind == "json_schema":
        schema = json.loads(source)
        if kind == "llamacpp" and not chat:
            return {"json_schema": schema}
        return {"response_format": json_format(schema)}
    match kind:
        case "vllm":
            value = json.loads(source) if constraint.kind == "choice" else source
            return {"structured_outputs": {"grammar" if constraint.kind == "gbnf" else constraint.kind: value}}
        case "sglang":
            return {"ebnf" if constraint.kind == "gbnf" else "regex": source}
        case "llamacpp":
            return {"grammar": choice_grammar(json.loads(source)) if constraint.kind == "choice" else source}
        case _:
            return {"response_format": own_format(constraint)}


def json_format(schema: dict[str, Any]) -> dict[str, Any]:
    if schema == {"type": "object"}:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}


def own_format(constraint: Constraint) -> dict[str, Any]:
    """As our own API has it."""
    match constraint.kind:
        case "choice":
            return {"type": "choice", "choice": json.loads(constraint.source)}
        case "regex":
            return {"type": "regex", "regex": constraint.source}
        case _:
            return {"type": constraint.kind, "grammar": constraint.source}


def choice_grammar(choices: list[str]) -> str:
    return "root ::= " + " | ".join(json.dumps(one, ensure_ascii=False) for one in choices)
