"""The knobs of sampling, each declared once: default, range, step, meaning and where its formula comes from.

Sliders, API fields, presets, validation and the reference page are read from these fields.
"""

from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modules.limits import LIMITS

# The order of the names is the default one.
SamplerName = Literal[
    "penalties", "dry", "no_repeat_ngram", "top_n_sigma", "top_k", "typ_p", "tfs", "top_a", "epsilon", "eta",
    "top_p", "min_p", "xtc", "smoothing", "temperature",
]  # fmt: skip
SAMPLER_ORDER: tuple[SamplerName, ...] = get_args(SamplerName)
# A sampler acts where one of these knobs is not at its neutral value.
SWITCHES: dict[SamplerName, tuple[str, ...]] = {
    "penalties": ("repetition_penalty", "presence_penalty", "frequency_penalty", "encoder_repetition_penalty"),
    "dry": ("dry_multiplier",),
    "no_repeat_ngram": ("no_repeat_ngram_size",),
    "top_n_sigma": ("top_n_sigma",),
    "top_k": ("top_k",),
    "typ_p": ("typical_p",),
    "tfs": ("tfs",),
    "top_a": ("top_a",),
    "epsilon": ("epsilon_cutoff",),
    "eta": ("eta_cutoff",),
    "top_p": ("top_p",),
    "min_p": ("min_p",),
    "xtc": ("xtc_probability",),
    "smoothing": ("smoothing_factor",),
    "temperature": ("temperature", "dynatemp_range"),
}
KnobGroup = Literal["temperature", "truncation", "repetition", "steering", "text"]

Number = Annotated[float, Field(allow_inf_nan=False)]
ShortText = Annotated[str, Field(min_length=1, max_length=LIMITS.stop_chars)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]

BREAKERS = ("\n", ":", '"', "*")


def knob(
    default: Any,
    description: str,
    *,
    title: str,
    group: KnobGroup,
    neutral: Any = None,
    source: str = "",
    step: float | None = None,
    simple: bool = False,
    **bounds: Any,
) -> Any:
    """A field with what forms and the reference page show of it.

    `neutral` is the value at which it changes nothing, where that is not the default. `source` says where the formula
    comes from. `simple` ones are shown to everyone, the rest on request.
    """
    shown = {
        "group": group,
        "neutral": default if neutral is None else neutral,
        "source": source,
        "step": step,
        "simple": simple,
    }
    return Field(default=default, title=title, description=description, json_schema_extra=shown, **bounds)


class SamplingParams(BaseModel):
    """How the next token is chosen. Field names are the wire's; `None` means the engine's own choice."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    temperature: Number = knob(
        0.7, "Divides the logits: higher is more varied, 0 always takes the likeliest token.",
        title="Temperature", group="temperature", neutral=1.0, simple=True,
        source="softmax(logits / temperature)", ge=0, le=5, step=0.01,
    )  # fmt: skip
    dynatemp_range: Number = knob(
        0.0, "Temperature moves by up to this much: lower where the model is sure, higher where it is not.",
        title="Dynamic temperature: range", group="temperature",
        source="entropy-based dynamic temperature (kalomaze, 2023), as in llama.cpp", ge=0, le=5, step=0.01,
    )  # fmt: skip
    dynatemp_exponent: Number = knob(
        1.0, "Shape of the curve from entropy to temperature.",
        title="Dynamic temperature: exponent", group="temperature", source="the same", ge=0.01, le=10, step=0.01,
    )  # fmt: skip
    smoothing_factor: Number = knob(
        0.0, "Bends the logits by a parabola around the best: likely tokens come closer, unlikely ones fall.",
        title="Smoothing: factor", group="temperature",
        source="quadratic sampling (kalomaze, 2024)", ge=0, le=10, step=0.01,
    )  # fmt: skip
    smoothing_curve: Number = knob(
        1.0, "Adds a cubic part to the parabola: above 1 unlikely tokens fall more steeply.",
        title="Smoothing: curve", group="temperature", source="the same", ge=1, le=10, step=0.01,
    )  # fmt: skip
    top_k: int = knob(
        40, "Keep the k likeliest tokens; 0 keeps all.", title="Top-k", group="truncation", neutral=0,
        source="Fan et al. 2018, arXiv:1805.04833", ge=0, le=1_000_000, step=1,
    )  # fmt: skip
    top_p: Number = knob(
        0.95, "Nucleus sampling: keep the smallest set of tokens that has this much probability.",
        title="Top-p", group="truncation", neutral=1.0, simple=True,
        source="Holtzman et al. 2020, arXiv:1904.09751", ge=0, le=1, step=0.01,
    )  # fmt: skip
    min_p: Number = knob(
        0.05, "Drop tokens below this share of the likeliest one's probability.",
        title="Min-p", group="truncation", neutral=0.0, simple=True,
        source="Nguyen et al. 2024, arXiv:2407.01082", ge=0, le=1, step=0.01,
    )  # fmt: skip
    top_n_sigma: Number = knob(
        -1.0, "Keep logits within n standard deviations of the highest; -1 is off.",
        title="Top-n-sigma", group="truncation", source="Tang et al. 2024, arXiv:2411.07641", ge=-1, le=100, step=0.1,
    )  # fmt: skip
    typical_p: Number = knob(
        1.0, "Keep tokens whose surprise is closest to the average, up to this much probability; 1 is off.",
        title="Typical-p", group="truncation", source="Meister et al. 2022, arXiv:2202.00666", ge=0, le=1, step=0.01,
    )  # fmt: skip
    tfs: Number = knob(
        1.0, "Cut the tail where the curve of probabilities flattens; 1 is off.",
        title="Tail-free", group="truncation", source="tail free sampling (Phénix and Egan, 2019)",
        ge=0, le=1, step=0.01,
    )  # fmt: skip
    top_a: Number = knob(
        0.0, "Drop tokens below this times the square of the highest probability.",
        title="Top-a", group="truncation", source="RWKV-LM (Bo Peng, 2022)", ge=0, le=1, step=0.01,
    )  # fmt: skip
    epsilon_cutoff: Number = knob(
        0.0, "Drop tokens of less probability than this.",
        title="Epsilon cutoff", group="truncation", source="Hewitt et al. 2022, arXiv:2210.15191",
        ge=0, lt=1, step=0.0001,
    )  # fmt: skip
    eta_cutoff: Number = knob(
        0.0, "The same with a bound that falls where the model is unsure: min(eta, sqrt(eta) * exp(-entropy)).",
        title="Eta cutoff", group="truncation", source="Hewitt et al. 2022, arXiv:2210.15191", ge=0, lt=1, step=0.0001,
    )  # fmt: skip
    xtc_probability: Number = knob(
        0.0, "How often all top choices but the least likely of them are left out.",
        title="XTC: probability", group="truncation", source="exclude top choices (p-e-w, 2024), as in llama.cpp",
        ge=0, le=1, step=0.01,
    )  # fmt: skip
    xtc_threshold: Number = knob(
        0.1, "The probability from which a token counts as a top choice; above 0.5 there is never more than one.",
        title="XTC: threshold", group="truncation", source="the same", ge=0, le=1, step=0.01,
    )  # fmt: skip
    repetition_penalty: Number = knob(
        1.0, "Divides positive logits of tokens that came before, and multiplies negative ones.",
        title="Repetition penalty", group="repetition", simple=True,
        source="Keskar et al. 2019, arXiv:1909.05858", ge=0.01, le=10, step=0.01,
    )  # fmt: skip
    presence_penalty: Number = knob(
        0.0, "Subtracted once from the logits of tokens that came before.",
        title="Presence penalty", group="repetition", source="OpenAI's API", ge=-2, le=2, step=0.01,
    )  # fmt: skip
    frequency_penalty: Number = knob(
        0.0, "Subtracted for each time a token came before.",
        title="Frequency penalty", group="repetition", source="OpenAI's API", ge=-2, le=2, step=0.01,
    )  # fmt: skip
    repetition_penalty_range: int = knob(
        64, "How many of the last tokens these three penalties look at; -1 is all, 0 none.",
        title="Penalty range", group="repetition", source="llama.cpp", ge=-1, le=LIMITS.context_tokens, step=1,
    )  # fmt: skip
    encoder_repetition_penalty: Number = knob(
        1.0, "Above 1 favours the tokens of the prompt, below 1 avoids them.",
        title="Prompt token bonus", group="repetition",
        source="transformers, EncoderRepetitionPenaltyLogitsProcessor", ge=0.01, le=10, step=0.01,
    )  # fmt: skip
    no_repeat_ngram_size: int = knob(
        0, "No run of this many tokens comes twice; 0 is off.",
        title="No repeated n-grams", group="repetition", source="Paulus et al. 2017, arXiv:1705.04304",
        ge=0, le=1000, step=1,
    )  # fmt: skip
    dry_multiplier: Number = knob(
        0.0, "Strength of the penalty on tokens that would lengthen a run seen before; 0 is off.",
        title="DRY: multiplier", group="repetition", source="do not repeat yourself (p-e-w, 2024), as in llama.cpp",
        ge=0, le=100, step=0.01,
    )  # fmt: skip
    dry_base: Number = knob(
        1.75, "How fast that penalty grows with the run: multiplier * base ^ (length - allowed length).",
        title="DRY: base", group="repetition", source="the same", ge=1, le=10, step=0.01,
    )  # fmt: skip
    dry_allowed_length: int = knob(
        2, "Runs shorter than this are free.",
        title="DRY: allowed length", group="repetition", source="the same", ge=0, le=1000, step=1,
    )  # fmt: skip
    dry_range: int = knob(
        -1, "How many of the last tokens DRY looks at; -1 is all, 0 none.",
        title="DRY: range", group="repetition", source="the same", ge=-1, le=LIMITS.context_tokens, step=1,
    )  # fmt: skip
    dry_sequence_breakers: list[ShortText] = knob(
        list(BREAKERS), "Texts across which a run does not count as one.",
        title="DRY: sequence breakers", group="repetition", source="the same", max_length=LIMITS.texts,
    )  # fmt: skip
    mirostat: int = knob(
        0, "Steers the surprise of the text instead of truncating: version 1 or 2; 0 is off.",
        title="Mirostat", group="steering", source="Basu et al. 2021, arXiv:2007.14966", ge=0, le=2, step=1,
    )  # fmt: skip
    mirostat_tau: Number = knob(
        5.0, "The surprise, in bits, that Mirostat aims at.",
        title="Mirostat: tau", group="steering", source="the same", ge=0, le=100, step=0.1,
    )  # fmt: skip
    mirostat_eta: Number = knob(
        0.1, "How fast Mirostat learns.",
        title="Mirostat: eta", group="steering", source="the same", ge=0, le=1, step=0.01,
    )  # fmt: skip
    adaptive_target: Number = knob(
        -1.0, "The probability that chosen tokens shall have on average; below 0 it is off.",
        title="Adaptive-p: target", group="steering", source="adaptive-p, as in llama.cpp", ge=-1, le=1, step=0.01,
    )  # fmt: skip
    adaptive_decay: Number = knob(
        0.9, "How slowly adaptive-p forgets what it has chosen.",
        title="Adaptive-p: decay", group="steering", source="the same", ge=0, le=0.99, step=0.01,
    )  # fmt: skip
    guidance_scale: Number = knob(
        1.0, "How far the prompt is followed against the negative prompt; 1 is off, others cost twice the time.",
        title="Guidance scale", group="steering", source="Sanchez et al. 2023, arXiv:2306.17806",
        ge=-10, le=10, step=0.05,
    )  # fmt: skip
    negative_prompt: str = knob(
        "", "What the reply is guided away from; without it, from the prompt's last token alone.",
        title="Negative prompt", group="steering", source="the same", max_length=LIMITS.constraint_chars,
    )  # fmt: skip
    samplers: list[SamplerName] | None = knob(
        None, "The order of the samplers; one that is left out does nothing.",
        title="Sampler order", group="steering", max_length=32,
    )  # fmt: skip
    seed: int | None = knob(
        None, "Same seed, same text; empty draws another each time.",
        title="Seed", group="text", ge=0, le=2**32 - 2, step=1,
    )  # fmt: skip
    ignore_eos: bool = knob(False, "Never end before the token limit.", title="Ban the end token", group="text")
    add_bos: bool = knob(
        True, "Begin prompts with the model's start token where it has one.", title="Add the start token", group="text"
    )
    skip_special_tokens: bool = knob(
        True, "Leave special tokens out of the text.", title="Skip special tokens", group="text"
    )
    logit_bias: dict[str, Annotated[Number, Field(ge=-100, le=100)]] | None = knob(
        None, "Token id to a number added to its logit.",
        title="Logit bias", group="text", source="OpenAI's API", max_length=LIMITS.logit_biases,
    )  # fmt: skip
    banned_tokens: list[TokenId] = knob(
        [], "Ids of tokens that are never chosen.", title="Banned tokens", group="text", max_length=LIMITS.logit_biases
    )
    banned_phrases: list[ShortText] = knob(
        [], "Texts that never appear in a reply, in small or capital letters.",
        title="Banned phrases", group="text", max_length=LIMITS.texts,
    )  # fmt: skip
    prompt_lookup_tokens: int = knob(
        -1, "Tokens guessed at once from the prompt, which leaves the text as it is; 0 is off, -1 as loaded.",
        title="Prompt lookup", group="text", neutral=0, source="prompt lookup decoding (Saxena, 2023)",
        ge=-1, le=32, step=1,
    )  # fmt: skip
    n_probs: int = knob(
        0, "Likeliest tokens to report at each place; 0 is none.", title="Report tokens", group="text", ge=0, le=20
    )

    @field_validator("logit_bias")
    @classmethod
    def keys_are_token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        for token in bias or {}:
            if not (token.isascii() and token.isdigit() and len(token) < 10):
                raise ValueError(f"keys must be token ids, and {token[:20]!r} is none")
        return bias

    def acts(self, sampler: SamplerName) -> bool:
        """Whether it can change anything with these values, if it stands in the order."""
        return any(getattr(self, name) != self.neutral(name) for name in SWITCHES[sampler])

    @classmethod
    def neutral(cls, name: str) -> Any:
        """The value at which this knob changes nothing."""
        return shown_of(cls, name)["neutral"]


def shown_of(declared: type[SamplingParams], name: str) -> dict[str, Any]:
    """What `knob` was told of this field besides its bounds."""
    return cast("dict[str, Any]", declared.model_fields[name].json_schema_extra)
