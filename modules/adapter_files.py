"""An adapter's folder, as peft writes it, becomes tensors by layer, or a sentence that says why not.

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint. Importing peft takes seconds, so only a child that
loads or writes an adapter imports this.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftConfig, PeftType
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from modules.errors import BadRequest
from modules.types.local_adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PICKLED_ADAPTER

PREFIX = "base_model.model."
VECTORS = "prompt_embeddings"
TENSOR = re.compile(r"(?P<layer>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(\.weight)?")

# What of a config is applied here, and what counts in training only or describes the adapter.
APPLIED = frozenset({"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora"})
OF_TRAINING = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "exclude_modules", "fan_in_fan_out",
        "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "loftq_config", "lora_dropout",
        "lora_ga_config", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "revision",
        "runtime_config", "target_modules", "task_type",
    }
)  # fmt: skip
# Training that begins with these changes the model's own weights, so the adapter fits no other model.
CHANGES_THE_MODEL = ("pissa", "olora", "corda", "loftq", "lora_ga")

# Patterns in a config come from anywhere, and Python's matcher may take for ever over repeats of repeats.
PATTERN_CHARS = 200
MOST_REPEATS = 3
REPEATS = re.compile(r"[*+?{]")
REPEATED_GROUP = re.compile(r"\)[*+?{]")


@dataclass(frozen=True)
class LayerWeights:
    """Of one linear layer, as trained: `down` [rank, inputs], `up` [outputs, rank], with DoRA `magnitude` [outputs].

    `scaling` multiplies `up @ down`.
    """

    down: Tensor
    up: Tensor
    magnitude: Tensor | None
    scaling: float


@dataclass(frozen=True)
class AdapterWeights:
    """`base_model` is what the adapter says it was trained on; layers go by their names in the model.

    An adapter of prompt tuning has no layers but `vectors` [count, width], which stand in front of a prompt.
    """

    base_model: str
    layers: Mapping[str, LayerWeights]
    vectors: Tensor | None = None


def read_adapter(folder: Path) -> AdapterWeights:
    """Nothing is computed, so any thread may call. Raises BadRequest for what cannot be read or applied."""
    config = read_config(folder)
    base_model = str(config.base_model_name_or_path or "another model")[:200]
    if config.peft_type == PeftType.PROMPT_TUNING:
        return AdapterWeights(base_model, {}, read_vectors(folder))
    parts = read_parts(folder)
    if not parts:
        raise refusal(f"{ADAPTER_WEIGHTS} holds no weights")
    layers = {layer: layer_weights(layer, parts[layer], config) for layer in sorted(parts)}
    return AdapterWeights(base_model, layers)


def read_config(folder: Path) -> Any:
    """A LoraConfig or PromptTuningConfig, which are typed only in parts."""
    if not (folder / ADAPTER_CONFIG).is_file():
        raise refusal(f"{ADAPTER_CONFIG} is missing")
    reader: Any = PeftConfig
    try:
        config: Any = reader.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ImportError) as error:
        raise refusal(f"peft cannot read its {ADAPTER_CONFIG} ({type(error).__name__}: {str(error)[:200]})") from error
    if config.peft_type == PeftType.PROMPT_TUNING:
        return config
    if config.peft_type != PeftType.LORA:
        kind = str(config.peft_type).removeprefix("PeftType.")
        raise refusal(f"it is of the kind {kind}")
    for field in fields(LoraConfig):
        value: Any = getattr(config, field.name)
        if field.name not in APPLIED | OF_TRAINING and value and value != field.default:
            raise refusal(f"it sets {field.name} to {str(value)[:80]}")
    if str(config.init_lora_weights).startswith(CHANGES_THE_MODEL):
        raise refusal(f"it was trained on changed weights of the model (init_lora_weights {config.init_lora_weights})")
    for patterns in (config.rank_pattern, config.alpha_pattern):
        check_patterns(patterns)
    return config


def check_patterns(patterns: Any) -> None:
    if not isinstance(patterns, dict | None):
        raise refusal(f"a pattern in its config is {str(patterns)[:80]}, no object")
    for pattern in cast(dict[str, Any], patterns or {}):
        is_tame = len(pattern) <= PATTERN_CHARS and len(REPEATS.findall(pattern)) <= MOST_REPEATS
        if not is_tame or REPEATED_GROUP.search(pattern):
            raise refusal(f"its pattern {pattern[:80]!r} is too complex; write layers' names")
        try:
            re.compile(pattern)
        except re.error as error:
            raise refusal(f"its pattern {pattern[:80]!r} is not valid: {error}") from error


def read_vectors(folder: Path) -> Tensor:
    tensors = read_tensors(folder)
    vectors = tensors.get(VECTORS)
    if vectors is None or tensors.keys() != {VECTORS} or vectors.ndim != 2 or not vectors.is_floating_point():
        raise refusal(f"it holds {', '.join(sorted(tensors))[:200] or 'nothing'} instead of {VECTORS}, a row a vector")
    return vectors


def read_parts(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Of each layer, its tensors by their names in peft."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_tensors(folder).items():
        match = TENSOR.fullmatch(key.removeprefix(PREFIX))
        if match is None:
            raise refusal(f"it changes {key.removeprefix(PREFIX)[:200]}, which is no linear layer's LoRA")
        if not tensor.is_floating_point():
            raise refusal(f"its weights for {match['layer'][:200]} are {tensor.dtype}, not floating point")
        parts.setdefault(match["layer"], {})[match["part"]] = tensor
    return parts


def read_tensors(folder: Path) -> dict[str, Tensor]:
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        if (folder / PICKLED_ADAPTER).is_file():
            raise refusal("its weights are pickled, a format that may run any program; save it as safetensors")
        raise refusal(f"{ADAPTER_WEIGHTS} is missing")
    try:
        # Not mapped: a file that is replaced later must not change what is loaded.
        return load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, LookupError) as error:
        raise refusal(f"{ADAPTER_WEIGHTS} is damaged ({str(error)[:200]}); copy or download it again") from error


def layer_weights(layer: str, parts: dict[str, Tensor], config: Any) -> LayerWeights:
    wanted = {"lora_A", "lora_B", *({"lora_magnitude_vector"} if config.use_dora else ())}
    if parts.keys() != wanted:
        raise refusal(f"for {layer} it holds {', '.join(sorted(parts))} instead of {', '.join(sorted(wanted))}")
    down, up, magnitude = parts["lora_A"], parts["lora_B"], parts.get("lora_magnitude_vector")
    rank: Any = by_pattern(layer, config.rank_pattern, config.r)
    alpha: Any = by_pattern(layer, config.alpha_pattern, config.lora_alpha)
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise refusal(f"for {layer} its rank is {str(rank)[:40]} and its alpha {str(alpha)[:40]}")
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != rank or up.shape[1] != rank:
        shapes = f"{list(down.shape)} and {list(up.shape)}"
        raise refusal(f"for {layer} its config says rank {rank}, but its weights have the shapes {shapes}")
    return LayerWeights(down, up, magnitude, alpha / (math.sqrt(rank) if config.use_rslora else rank))


def by_pattern(layer: str, patterns: Any, default: Any) -> Any:
    found: dict[str, Any] = patterns or {}
    return found.get(get_pattern_key(list(found), layer), default)


def refusal(reason: str) -> BadRequest:
    can_be = "LoRA, rsLoRA and DoRA on linear layers and prompt tuning, as peft saves them"
    return BadRequest(f"The adapter cannot be used: {reason}. Parlor applies {can_be}.", field="name")
