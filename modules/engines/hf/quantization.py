"""Quantized weights: those a folder holds already, and those made while loading with bitsandbytes."""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from modules.engines.hf.kind import HfOptions
from modules.errors import ModelError

BITSANDBYTES = frozenset({"int8", "nf4", "fp4"})
# transformers asks for these one after the other; what other formats need it says at once.
PACKAGES = {"gptq": ("optimum", "gptqmodel"), "awq": ("gptqmodel",)}


@dataclass(frozen=True)
class StoredQuantization:
    """What a folder's config says of its weights. `form` is the option's word for bitsandbytes' formats, else empty."""

    method: str
    form: str

    def __str__(self) -> str:
        return f"{self.form} of bitsandbytes" if self.form else self.method

    def check(self, title: str, options: HfOptions, own_dtype: torch.dtype) -> None:
        """Raises ModelError when it cannot be read here, or when it cannot become what the options ask for."""
        if self.method not in AUTO_QUANTIZATION_CONFIG_MAPPING and not self.form:
            raise ModelError(
                f"{title} is quantized in a format that is not known here ({self.method[:80]}).",
                cause="unsupported_architecture",
            )
        if missing := [name for name in PACKAGES.get(self.method, ()) if find_spec(name) is None]:
            raise ModelError(
                f"{title} is quantized with {self.method.upper()}, which needs packages that are not installed: "
                f"{', '.join(missing)}. Install them beside Parlor's own, or choose another version of this model.",
                cause="missing_package",
            )
        if options.weights not in {"auto", self.form}:
            raise ModelError(
                f"{title} is quantized already ({self}) and cannot become {options.weights}. "
                "Set the option weights to auto.",
                cause="bad_option",
            )
        # What is not quantized keeps the number format it was saved in.
        if options.dtype != "auto" and getattr(torch, options.dtype) != own_dtype:
            own = str(own_dtype).removeprefix("torch.")
            raise ModelError(
                f"{title} is quantized already ({self}), and the rest of it is {own}. Set the option dtype to auto.",
                cause="bad_option",
            )


def stored_quantization(config: Any) -> StoredQuantization | None:
    """None when the folder's weights are plain numbers."""
    stored: dict[str, Any] | None = getattr(config, "quantization_config", None)
    if stored is None:
        return None
    if stored.get("load_in_8bit"):
        return StoredQuantization("bitsandbytes", "int8")
    if stored.get("load_in_4bit"):
        return StoredQuantization("bitsandbytes", str(stored.get("bnb_4bit_quant_type", "fp4")))
    return StoredQuantization(str(stored.get("quant_method", "no name")), "")


def bitsandbytes_config(options: HfOptions, dtype: torch.dtype) -> Any:
    """None where the options ask for none of its formats."""
    if options.weights not in BITSANDBYTES:
        return None
    make: Any = BitsAndBytesConfig
    if options.weights == "int8":
        return make(load_in_8bit=True)
    return make(
        load_in_4bit=True,
        bnb_4bit_quant_type=options.weights,
        bnb_4bit_compute_dtype=dtype if options.compute_dtype == "auto" else getattr(torch, options.compute_dtype),
        bnb_4bit_use_double_quant=options.double_quantization,
    )


def silence_casts() -> None:
    """On a CPU bitsandbytes warns of each layer's inputs at each token, which nobody can change."""
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(is_no_cast)


def is_no_cast(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in str(record.msg)
