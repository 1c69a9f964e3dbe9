"""What the headers of a model's files say, or why it cannot be loaded."""

from dataclasses import dataclass, replace
from pathlib import Path

from modules.errors import ModelError
from modules.library.folders import read_model_folder
from modules.library.headers import read_gguf_header
from modules.library.scan import Candidate, shard_name
from modules.types.local_model import ModelShape

MODEL_KINDS = ("", "model")
UNKNOWN = ModelShape()


@dataclass(frozen=True)
class Description:
    """`is_model` is False for a sound file that belongs to models but is none: an adapter, a projector. `weights` are
    given of folders, whose other files hold none."""

    size_bytes: int
    shape: ModelShape = UNKNOWN
    problem: str = ""
    quantization: str = ""
    licence: str = ""
    has_chat_template: bool = False
    is_model: bool = True
    weights: tuple[Path, ...] = ()


def describe(candidate: Candidate) -> Description:
    """Never raises: what cannot be read is the description's problem."""
    size_bytes = sum(max(file.size_bytes, 0) for file in candidate.files)
    try:
        if candidate.foreign:
            raise ModelError(f"{candidate.foreign[0]} is a link that leads out of the models' folder.")
        return describe_folder(candidate) if candidate.format == "safetensors" else describe_files(candidate)
    except ModelError as error:
        return Description(size_bytes, problem=str(error))
    except OSError as error:
        return Description(size_bytes, problem=f"It cannot be read: {error.strerror}.")


def describe_files(candidate: Candidate) -> Description:
    """The first of several shards speaks for the model; the others hold weights."""
    if candidate.missing:
        raise ModelError(f"Files are missing: {', '.join(candidate.missing)}. Download the model again.")
    headers = [read_gguf_header(file.path) for file in candidate.files]
    first = headers[0]
    if first.shards != len(headers):
        raise ModelError(
            f"It is one of the {first.shards:,} files of a model, which must lie together and be named like "
            f"{shard_name('NAME', 1, first.shards)}."
        )
    return Description(
        sum(file.size_bytes for file in candidate.files),
        replace(first.shape, parameters=sum(header.shape.parameters for header in headers)),
        quantization=first.quantization,
        licence=first.licence,
        has_chat_template=first.has_chat_template,
        is_model=first.kind in MODEL_KINDS,
    )


def describe_folder(candidate: Candidate) -> Description:
    folder = read_model_folder(candidate.path)
    return Description(
        folder.size_bytes,
        folder.shape,
        quantization=folder.quantization,
        licence=folder.licence,
        has_chat_template=folder.has_chat_template,
        weights=folder.weights,
    )
