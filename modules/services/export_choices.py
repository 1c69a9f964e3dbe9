"""What can be made of an adapter or a trained model, why not, and how large it will be."""

from modules.services.export_sources import ExportSource
from modules.types.exports import GGUF_KINDS, GGUF_TYPES, ExportChoice, GgufType
from modules.types.local_model import ModelShape

# Bits of a weight, scales included.
BITS: dict[GgufType, float] = {"F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q4_0": 4.5, "Q4_1": 5.0}
HEAD_BITS = 8.5
# bfloat16.
BYTES_PER_PARAMETER = 2
# A token's text, kind and share of the merges.
TOKEN_BYTES = 40
MERGEABLE = frozenset({"lora", "rslora", "dora"})


def choices_of(source: ExportSource) -> list[ExportChoice]:
    return [merged_choice(source), gguf_choice(source), adapter_choice(source), push_choice(source)]


def merged_choice(source: ExportSource) -> ExportChoice:
    reason = "It is a whole model already." if source.adapter is None else merge_fault(source)
    size = merged_bytes(source.model.shape) if source.model is not None else 0
    return ExportChoice("merged", (), not reason, reason, {"": size})


def gguf_choice(source: ExportSource) -> ExportChoice:
    reason = merge_fault(source) if source.adapter is not None else ""
    model = source.model
    if not reason and model is not None and model.shape.architecture not in GGUF_KINDS:
        known = ", ".join(sorted(GGUF_KINDS))
        kind = model.shape.architecture or "unknown"
        reason = f"A model of the kind {kind} cannot be written as GGUF here. These can: {known}."
    sizes = {name: gguf_bytes(model.shape, name) for name in GGUF_TYPES} if model is not None else {}
    return ExportChoice("gguf", GGUF_TYPES, not reason, reason, dict(sizes))


def adapter_choice(source: ExportSource) -> ExportChoice:
    adapter = source.adapter
    if adapter is None:
        return ExportChoice("gguf_lora", (), is_possible=False, reason="It is no adapter.", size_bytes={})
    reason = merge_fault(source)
    if not reason and adapter.kind == "dora":
        reason = "llama.cpp applies no DoRA adapters. Export the merged model as GGUF instead."
    if not reason and source.model is not None and source.model.shape.architecture not in GGUF_KINDS:
        reason = f"Adapters of the kind {source.model.shape.architecture} models cannot be written for llama.cpp here."
    return ExportChoice("gguf_lora", (), not reason, reason, {"": adapter.size_bytes})


def push_choice(source: ExportSource) -> ExportChoice:
    size = source.adapter.size_bytes if source.adapter is not None else source.model.size_bytes if source.model else 0
    return ExportChoice("push", (), is_possible=True, reason="", size_bytes={"": size})


def merge_fault(source: ExportSource) -> str:
    """Empty for an adapter that can be merged into a model that is here."""
    assert source.adapter is not None
    if source.adapter.kind not in MERGEABLE:
        return (
            f"An adapter of the kind {source.adapter.kind or 'unknown'} changes no weights, so there is nothing to "
            "merge or to write for llama.cpp. It works on the transformers engine."
        )
    return source.reason


def merged_bytes(shape: ModelShape) -> int:
    return shape.parameters * BYTES_PER_PARAMETER


def gguf_bytes(shape: ModelShape, type_name: GgufType) -> int:
    """The head has more bits where the others have four."""
    head = shape.vocabulary * shape.embedding_length if type_name.startswith("Q4") else 0
    weights = (shape.parameters - head) * BITS[type_name] + head * HEAD_BITS
    return int(weights / 8) + shape.vocabulary * TOKEN_BYTES
