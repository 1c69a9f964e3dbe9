"""The knobs of sampling, each declared once: default, range, meaning and where its formula comes from.

Sliders, API fields, validation and documentation are read from these fields.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modules.limits import LIMITS

# The order of the names is the default one.
SamplerName = Literal["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]

Number = Annotated[float, Field(allow_inf_nan=False)]


class SamplingParams(BaseModel):
    """How the next token is chosen. Field names are the wire's; `None` means the engine's neutral choice."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    temperature: Number = Field(default=0.7, ge=0, le=5, description="Divides the logits; 0 takes the likeliest token.")
    dynatemp_range: Number = Field(default=0, ge=0, le=5, description="Temperature moves by this much with entropy.")
    dynatemp_exponent: Number = Field(default=1, ge=0.01, le=10, description="Shape of the entropy curve of dynatemp.")
    top_k: int = Field(default=40, ge=0, le=1_000_000, description="Keep the k likeliest tokens; 0 keeps all.")
    top_p: Number = Field(default=0.95, ge=0, le=1, description="Keep the smallest set with this much probability.")
    min_p: Number = Field(default=0.05, ge=0, le=1, description="Drop tokens below this share of the likeliest one.")
    top_n_sigma: Number = Field(default=-1, ge=-1, le=100, description="Keep logits within n deviations; -1 is off.")
    typical_p: Number = Field(default=1, ge=0, le=1, description="Keep tokens of about average surprise; 1 is off.")
    xtc_probability: Number = Field(default=0, ge=0, le=1, description="How often the top choices are excluded.")
    xtc_threshold: Number = Field(default=0.1, ge=0, le=1, description="What counts as a top choice for XTC.")
    repetition_penalty: Number = Field(default=1, ge=0.01, le=10, description="Divides the logits of repeated tokens.")
    repetition_penalty_range: int = Field(
        default=64, ge=-1, le=LIMITS.context_tokens, description="Penalties look back."
    )
    presence_penalty: Number = Field(default=0, ge=-2, le=2, description="Subtracted once from tokens already present.")
    frequency_penalty: Number = Field(default=0, ge=-2, le=2, description="Subtracted for each earlier occurrence.")
    dry_multiplier: Number = Field(default=0, ge=0, le=100, description="Strength of the penalty on repeated runs.")
    dry_base: Number = Field(default=1.75, ge=1, le=10, description="Growth of DRY's penalty with the run's length.")
    dry_allowed_length: int = Field(default=2, ge=0, le=1000, description="Runs up to this length are free.")
    mirostat: int = Field(default=0, ge=0, le=2, description="Mirostat version; 0 is off.")
    mirostat_tau: Number = Field(default=5, ge=0, le=100, description="Mirostat's target surprise.")
    mirostat_eta: Number = Field(default=0.1, ge=0, le=1, description="Mirostat's learning rate.")
    adaptive_target: Number = Field(default=-1, ge=-1, le=1, description="Adaptive-p's target probability; -1 is off.")
    adaptive_decay: Number = Field(default=0.9, ge=0, le=0.99, description="Adaptive-p's memory.")
    samplers: list[SamplerName] | None = Field(default=None, max_length=32, description="Order of the samplers.")
    seed: int | None = Field(default=None, ge=0, le=2**32 - 2, description="Same seed, same text; none is random.")
    ignore_eos: bool = Field(default=False, description="Never end before the token limit.")
    logit_bias: dict[str, Annotated[Number, Field(ge=-100, le=100)]] | None = Field(
        default=None, max_length=LIMITS.logit_biases, description="Token id to a number added to its logit."
    )
    n_probs: int = Field(default=0, ge=0, le=20, description="Likeliest tokens to report at each place; 0 is none.")

    @field_validator("logit_bias")
    @classmethod
    def keys_are_token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        for token in bias or {}:
            if not (token.isascii() and token.isdigit() and len(token) < 10):
                raise ValueError(f"keys must be token ids, and {token[:20]!r} is none")
        return bias
