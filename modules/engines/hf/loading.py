"""A folder in Hugging Face format becomes a model and a tokenizer; whatever goes wrong is said in a sentence."""

import ctypes
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

from modules.engines.hf.attention import group_heads
from modules.engines.hf.batch import is_regular
from modules.engines.hf.kind import HfOptions
from modules.engines.hf.linears import pack, packs_here, quantize_int4
from modules.engines.hf.memory import check_memory
from modules.engines.hf.quantization import bitsandbytes_config, silence_casts, stored_quantization
from modules.engines.protocol import Report
from modules.errors import ModelError
from modules.types.local_model import LocalModel

# transformers is typed only in parts.
configs: Any = AutoConfig
tokenizers: Any = AutoTokenizer

# How the architectures of checkpoints without a head that writes are called, and one that is called like them.
HEADLESS = ("Model", "ForMaskedLM", "ForPreTraining")
WRITING_HEAD = "LMHeadModel"
# A part of encoders that nobody asks here; many are saved without it.
UNUSED = "pooler."


def only_embeds(folder: Path) -> bool:
    """Whether the folder holds an encoder, or a model saved without its head: what it says of itself decides.

    A config that cannot be read is none; loading will say why.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
        kind, names = config.get("model_type"), [str(name) for name in config.get("architectures") or ()]
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    if "AutoModelForCausalLM" in (config.get("auto_map") or ()):
        return False
    if names:
        return all(name.endswith(HEADLESS) and not name.endswith(WRITING_HEAD) for name in names)
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return not config.get("is_decoder")
    return kind in MODEL_MAPPING_NAMES and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def load_model(
    model: LocalModel, options: HfOptions, report: Report, scratch: str, models: Any = AutoModelForCausalLM
) -> tuple[Any, Any]:
    """(the model, its tokenizer), ready to answer. Raises ModelError.

    `scratch` holds weights that stay on disk; `models` is the class of transformers that makes the model.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Counts for the thread that calls it.
    torch.set_num_threads(thread_count(options))
    silence_casts()
    assert model.path is not None
    folder = model.path
    local = {"local_files_only": True, "trust_remote_code": options.trust_remote_code}
    try:
        report(0.0, "reading the configuration")
        config = configs.from_pretrained(folder, **local)
        device = choose_device(options)
        quantized = stored_quantization(config)
        if quantized is None:
            dtype = choose_dtype(options, config, device)
            check_weights(options, device, dtype)
        else:
            dtype = stored_dtype(config)
            quantized.check(model.title, options, dtype)
        check_memory(model, options, dtype, on_gpu=device == "cuda", is_quantized=quantized is not None)
        tokenizer = tokenizers.from_pretrained(folder, **local)
        report(0.1, "loading the weights")
        loaded, found = models.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            attn_implementation=None if options.attention == "auto" else options.attention,
            **placement(options, device, scratch),
            quantization_config=None if quantized else bitsandbytes_config(options, dtype),
            output_loading_info=True,
            **local,
        )
        check_complete(found)
        check_vocabulary(loaded, tokenizer)
        loaded.eval()
        loaded.requires_grad_(False)
        report(0.8, "laying out the weights")
        lay_out(loaded, options, device, dtype)
        return_freed_memory()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise out_of_memory(model.title) from error
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RuntimeError,
        ImportError,
        SafetensorError,
    ) as error:
        raise explained(error, model.title, folder) from error
    return loaded, tokenizer


def return_freed_memory() -> None:
    """To the system: glibc keeps what weights left behind that were converted or laid out anew, as much again."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def thread_count(options: HfOptions) -> int:
    return options.threads or psutil.cpu_count(logical=False) or 1


def choose_device(options: HfOptions) -> str:
    has_gpu = torch.cuda.is_available()
    if options.device == "cuda" and not has_gpu:
        raise ModelError("There is no GPU that PyTorch can use; choose the device auto or cpu.", cause="gpu")
    return "cuda" if has_gpu and options.device != "cpu" else "cpu"


def placement(options: HfOptions, device: str, scratch: str) -> dict[str, Any]:
    """Where the layers go: all on one device, or as accelerate spreads them under the limits that were set."""
    if not options.gpu_memory_mib and not options.cpu_memory_mib:
        return {"device_map": "auto" if device == "cuda" else device}
    limits: dict[int | str, str] = {}
    if device == "cuda":
        shares = options.gpu_memory_mib or 2**24
        limits |= dict.fromkeys(range(torch.cuda.device_count()), f"{shares}MiB")
    if options.cpu_memory_mib:
        limits["cpu"] = f"{options.cpu_memory_mib}MiB"
    else:
        limits["cpu"] = f"{2**24}MiB"
    return {"device_map": "auto", "max_memory": limits, "offload_folder": scratch}


def choose_dtype(options: HfOptions, config: Any, device: str) -> torch.dtype:
    """auto is the checkpoint's own; on a CPU float16, which has no fast kernels there, becomes bfloat16."""
    if options.dtype != "auto":
        return getattr(torch, options.dtype)
    dtype = stored_dtype(config)
    return torch.bfloat16 if dtype == torch.float16 and device == "cpu" else dtype


def stored_dtype(config: Any) -> torch.dtype:
    own = getattr(config, "dtype", None) or torch.float32
    return getattr(torch, own) if isinstance(own, str) else own


def check_weights(options: HfOptions, device: str, dtype: torch.dtype) -> None:
    if options.weights in {"packed", "int4"} and device != "cpu":
        raise ModelError(
            f"The weights option {options.weights} is for CPUs; on a GPU choose nf4 or int8.", cause="bad_option"
        )
    if options.weights == "packed" and not packs_here(dtype):
        raise ModelError("Packed weights need float32 or bfloat16 and a PyTorch with oneDNN.", cause="bad_option")
    if options.weights == "int4" and dtype != torch.bfloat16:
        raise ModelError("The weights option int4 computes in bfloat16; set the dtype to bfloat16.", cause="bad_option")


def check_complete(found: dict[str, Any]) -> None:
    """transformers itself fills what is missing with random numbers."""
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(UNUSED))
    if missing:
        raise ModelError(
            f"Weights are missing, {missing[0]} among {len(missing)}. Download the model again.", cause="damaged_file"
        )


def check_vocabulary(model: Any, tokenizer: Any) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"The tokenizer knows {len(tokenizer):,} tokens, but the model has embeddings for {rows:,} only. "
            "They do not belong together; download the folder again.",
            cause="damaged_file",
        )


def lay_out(model: Any, options: HfOptions, device: str, dtype: torch.dtype) -> None:
    """Irregular models may reach into their linear layers, so those stay as they are."""
    is_elsewhere = any(str(place) != "cpu" for place in getattr(model, "hf_device_map", {}).values())
    if device != "cpu" or is_elsewhere or not is_regular(model):
        return
    group_heads(model)
    if getattr(model, "is_quantized", False):
        return
    if options.weights == "int4":
        quantize_int4(model)
    elif options.weights == "packed" or (options.weights == "auto" and packs_here(dtype)):
        pack(model)


def out_of_memory(title: str) -> ModelError:
    return ModelError(
        f"There is not enough memory to load {title}. Close other programs, choose a smaller model, or set the option "
        "weights to nf4.",
        cause="out_of_memory",
    )


def explained(error: Exception, title: str, folder: Path) -> ModelError:
    """What to do about it, for the reasons that only this engine has; the others are told by its last words."""
    said = str(error).replace(str(folder), title)
    if "trust_remote_code" in said or "custom code" in said:
        return ModelError(
            f"{title} needs Python code from its own folder, which Parlor does not run.",
            cause="unsupported_architecture",
        )
    if isinstance(error, SafetensorError) or ("safetensors" in said and "header" in said.lower()):
        return ModelError(
            f"A weights file of {title} is damaged ({said[:200]}). Download it again.", cause="damaged_file"
        )
    if "does not recognize this architecture" in said or "Unrecognized" in said:
        return ModelError(
            f"{title} has an architecture that the installed transformers does not know: {said[:300]}",
            cause="unsupported_architecture",
        )
    if "can't allocate memory" in said:
        return out_of_memory(title)
    if "FlashAttention" in said:
        return ModelError(
            "The attention kernels flash_attention_2 need the package flash-attn and an NVIDIA GPU, and one of them is "
            "not here. Set the option attention to auto.",
            cause="bad_option",
        )
    if "dispatched on the CPU or the disk" in said:
        return ModelError(
            f"Not all of {title} fits into the memory that was allowed, and bitsandbytes' weights cannot stay on disk. "
            "Raise the limits, or set the option weights to plain.",
            cause="bad_option",
        )
    if isinstance(error, ImportError):
        return ModelError(f"{title} needs a package that is not installed: {said[:300]}", cause="missing_package")
    return ModelError(f"{title} could not be loaded: {said[:500]}")
