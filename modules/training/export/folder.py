"""A model as a folder in Hugging Face format, written tensor by tensor in bfloat16."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modules.training.export.weights import INDEX, Weights, as_bfloat16, read_config

Report = Callable[[float, str], None]
TYPES = {
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# What a model consists of besides its weights. No code, and no card: the result is another model.
COMPANIONS = (".json", ".jinja", ".model", ".txt")
LICENCES = ("LICENSE", "LICENCE", "NOTICE")


def write_folder(weights: Weights, source: Path, target: Path, report: Report) -> None:
    """`weights` in the files they lie in, and what else belongs to the model in `source`. `target` is empty."""
    copy_companions(source, target)
    config = read_config(source)
    config.pop("torch_dtype", None)
    (target / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}, indent=2), encoding="utf-8")
    total = sum(len(names) for names in weights.files.values())
    done = size = 0
    for file, names in weights.files.items():

        def read(name: str) -> Tensor:
            nonlocal done
            done += 1
            report(done / total, "writing the weights")
            return as_bfloat16(weights.read(name))

        size += write_safetensors(target / file, names, read)
    if (target / INDEX).is_file():
        index: dict[str, Any] = json.loads((target / INDEX).read_bytes())
        index["metadata"] = {**index.get("metadata", {}), "total_size": size}
        (target / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def copy_companions(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.is_file() and (path.suffix in COMPANIONS or path.name.startswith(LICENCES)):
            shutil.copyfile(path, target / path.name)


def write_safetensors(path: Path, names: tuple[str, ...], read: Callable[[str], Tensor]) -> int:
    """Returns the tensors' bytes. One tensor is in memory at a time, so the header, which must come first, is written
    last, into a space that is left for it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    # Longer than any entry: the name, a type, at most 8 sizes and two places of 20 digits each.
    space = 64 + sum(len(json.dumps(name)) + 320 for name in names)
    space += -space % 8
    end = 0
    with path.open("wb") as file:
        file.seek(8 + space)
        for name in names:
            tensor = read(name).contiguous()
            header[name] = {
                "dtype": TYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [end, end + tensor.nbytes],
            }
            content: Any = tensor.reshape(-1).view(torch.uint8).numpy()
            file.write(memoryview(content))
            end += tensor.nbytes
        file.seek(0)
        file.write(struct.pack("<Q", space) + json.dumps(header).encode().ljust(space))
        file.flush()
        os.fsync(file.fileno())
    return end
