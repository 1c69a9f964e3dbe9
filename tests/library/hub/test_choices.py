"""Repositories as they are on the hub, and what one click would take of them."""

from dataclasses import dataclass, field

import pytest

from modules.library.hub.choices import choices_of, stem_of
from modules.types.hub import HubChoice, HubFile

ALWAYS = (".gitattributes", "README.md")


@dataclass(frozen=True)
class Listing:
    """`expected` are the choices by name with their files, in order; `projectors` those of some by name."""

    title: str
    files: list[str]
    expected: dict[str, list[str]]
    projectors: dict[str, str] = field(default_factory=dict[str, str])


def shards(base: str, count: int, suffix: str = "gguf") -> list[str]:
    return [f"{base}-{number:05}-of-{count:05}.{suffix}" for number in range(1, count + 1)]


LISTINGS = (
    Listing(
        "every quantization in one folder, smallest first",
        [
            "SmolLM2-135M-Instruct-BF16.gguf",
            "SmolLM2-135M-Instruct-Q8_0.gguf",
            "SmolLM2-135M-Instruct-Q4_0_4_4.gguf",
            "SmolLM2-135M-Instruct-Q4_K_M.gguf",
            "SmolLM2-135M-Instruct-UD-Q4_K_XL.gguf",
            "SmolLM2-135M-Instruct-UD-IQ2_XXS.gguf",
            "SmolLM2-135M-Instruct-TQ1_0.gguf",
            "SmolLM2-135M-Instruct-MXFP4.gguf",
            "SmolLM2-135M-Instruct-IQ4_NL.gguf",
            "imatrix_unsloth.gguf",
            "config.json",
        ][::-1],
        {
            quantization: [f"SmolLM2-135M-Instruct-{quantization}.gguf"]
            for quantization in (
                "IQ4_NL",
                "MXFP4",
                "TQ1_0",
                "UD-IQ2_XXS",
                "UD-Q4_K_XL",
                "Q4_K_M",
                "Q4_0_4_4",
                "Q8_0",
                "BF16",
            )
        },
    ),
    Listing(
        "small letters and dots",
        ["tinyllama-1.1b-chat-v1.0.q4_k_m.gguf", "tinyllama-1.1b-chat-v1.0.Q2_K.gguf", "model.i1-IQ3_XXS.GGUF"],
        {
            "tinyllama-1.1b-chat-v1.0.q4_k_m": ["tinyllama-1.1b-chat-v1.0.q4_k_m.gguf"],
            "tinyllama-1.1b-chat-v1.0.Q2_K": ["tinyllama-1.1b-chat-v1.0.Q2_K.gguf"],
            "model.i1-IQ3_XXS": ["model.i1-IQ3_XXS.GGUF"],
        },
    ),
    Listing(
        "one name in small letters",
        ["gemma-3-1b-it-q4_0.gguf", "gemma-3-1b-it-f16.gguf"],
        {"Q4_0": ["gemma-3-1b-it-q4_0.gguf"], "F16": ["gemma-3-1b-it-f16.gguf"]},
    ),
    Listing(
        "split sets in folders of their own beside single files",
        [
            "DeepSeek-V3-UD-IQ1_S.gguf",
            *shards("UD-Q4_K_XL/DeepSeek-V3-UD-Q4_K_XL", 3),
            *shards("BF16/DeepSeek-V3-BF16", 4),
        ],
        {
            "UD-IQ1_S": ["DeepSeek-V3-UD-IQ1_S.gguf"],
            "UD-Q4_K_XL": shards("UD-Q4_K_XL/DeepSeek-V3-UD-Q4_K_XL", 3),
            "BF16": shards("BF16/DeepSeek-V3-BF16", 4),
        },
    ),
    Listing(
        "a quantization that only the folder names",
        ["Q4_K_M/model.gguf", "Q8_0/model.gguf"],
        {"Q4_K_M": ["Q4_K_M/model.gguf"], "Q8_0": ["Q8_0/model.gguf"]},
    ),
    Listing(
        "the same quantization in two folders",
        ["imatrix/m-Q4_K_M.gguf", "static/m-Q4_K_M.gguf", "static/m-Q8_0.gguf"],
        {
            "imatrix/Q4_K_M": ["imatrix/m-Q4_K_M.gguf"],
            "static/Q4_K_M": ["static/m-Q4_K_M.gguf"],
            "static/Q8_0": ["static/m-Q8_0.gguf"],
        },
    ),
    Listing(
        "two models in one repository stay apart",
        ["Qwen3-0.6B-Q4_K_M.gguf", "Qwen3-0.6B-Q8_0.gguf", "Qwen3-1.7B-Q4_K_M.gguf"],
        {
            "Qwen3-0.6B-Q4_K_M": ["Qwen3-0.6B-Q4_K_M.gguf"],
            "Qwen3-0.6B-Q8_0": ["Qwen3-0.6B-Q8_0.gguf"],
            "Qwen3-1.7B-Q4_K_M": ["Qwen3-1.7B-Q4_K_M.gguf"],
        },
    ),
    Listing(
        "a vision model: what reads images is no choice of its own",
        ["gemma-3-4b-it-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"],
        {"Q4_K_M": ["gemma-3-4b-it-Q4_K_M.gguf"]},
        {"Q4_K_M": "mmproj-F16.gguf"},
    ),
    Listing(
        "projectors of several models and folders: the nearest, then the one of that name",
        [
            "a/vision-7b-Q4_K_M.gguf",
            "a/mmproj-vision-7b-BF16.gguf",
            "b/vision-2b-Q4_K_M.gguf",
            "mmproj-vision-2b-Q8_0.gguf",
            "mmproj-vision-7b-F16.gguf",
        ],
        {
            "vision-7b-Q4_K_M": ["a/vision-7b-Q4_K_M.gguf"],
            "vision-2b-Q4_K_M": ["b/vision-2b-Q4_K_M.gguf"],
        },
        {
            "vision-7b-Q4_K_M": "a/mmproj-vision-7b-BF16.gguf",
            "vision-2b-Q4_K_M": "mmproj-vision-2b-Q8_0.gguf",
        },
    ),
    Listing("a file that names no quantization", ["ggml-model.gguf"], {"ggml-model": ["ggml-model.gguf"]}),
    Listing(
        "a model whose makers wrote imatrix into its name",
        ["m-Q4_K_M-imatrix.gguf", "m-imatrix.gguf", "imatrix.dat", "ggml-vocab-m.gguf"],
        {"Q4_K_M": ["m-Q4_K_M-imatrix.gguf"]},
    ),
    Listing(
        "a safetensors model in one file, with everything beside it",
        [
            "LICENSE",
            "USE_POLICY.md",
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "vocab.json",
            "merges.txt",
            "tokenizer.model",
            "chat_template.jinja",
            "additional_chat_templates/tool_use.jinja",
            "model.safetensors",
            "model.fp16.safetensors",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "tf_model.h5",
            "flax_model.msgpack",
            "rust_model.ot",
            "training_args.bin",
            "optimizer.pt",
            "trainer_state.json",
            "modeling_own.py",
            "logo.png",
            "onnx/model.onnx",
            "onnx/config.json",
            "openvino/openvino_model.bin",
            "coreml/float32_model.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
            "runs/events.out.tfevents",
        ],
        {
            "safetensors": [
                "LICENSE",
                "README.md",
                "USE_POLICY.md",
                "additional_chat_templates/tool_use.jinja",
                "chat_template.jinja",
                "config.json",
                "generation_config.json",
                "merges.txt",
                "model.safetensors",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer.model",
                "tokenizer_config.json",
                "vocab.json",
            ]
        },
    ),
    Listing(
        "sharded, beside the maker's own copies",
        [
            "config.json",
            "model.safetensors.index.json",
            "tokenizer.json",
            "chat_template.json",
            *shards("model", 3, "safetensors"),
            "consolidated.safetensors",
            *shards("consolidated", 2, "safetensors"),
            "original/consolidated.00.pth",
            "original/params.json",
            "original/tokenizer.model",
        ],
        {
            "safetensors": [
                "README.md",
                "chat_template.json",
                "config.json",
                *shards("model", 3, "safetensors"),
                "model.safetensors.index.json",
                "tokenizer.json",
            ]
        },
    ),
    Listing(
        "a part of the weights under a name of its own, and numbers of other lengths",
        [
            "config.json",
            "model.safetensors.index.json",
            "model-00001-of-000002.safetensors",
            "model-00002-of-000002.safetensors",
            "model.fp8-00001-of-00001.safetensors",
            "model.safetensors",
            "mtp.safetensors",
        ],
        {
            "safetensors": [
                "README.md",
                "config.json",
                "model-00001-of-000002.safetensors",
                "model-00002-of-000002.safetensors",
                "model.safetensors.index.json",
                "mtp.safetensors",
            ]
        },
    ),
    Listing(
        "shards numbered after the suffix",
        ["config.json", "model.safetensors.index.json", *shards("model.safetensors", 2, "safetensors")],
        {
            "safetensors": [
                "README.md",
                "config.json",
                *shards("model.safetensors", 2, "safetensors"),
                "model.safetensors.index.json",
            ]
        },
    ),
    Listing(
        "sentence-transformers, with the layers after the model",
        [
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "2_Dense/pytorch_model.bin",
            "config.json",
            "config_sentence_transformers.json",
            "model.safetensors",
            "modules.json",
            "sentence_bert_config.json",
            "vocab.txt",
            "onnx/model_O1.onnx",
            "openvino/openvino_model.xml",
            "eval/similarity_evaluation_sts-dev_results.csv",
        ],
        {
            "safetensors": [
                "1_Pooling/config.json",
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "README.md",
                "config.json",
                "config_sentence_transformers.json",
                "model.safetensors",
                "modules.json",
                "sentence_bert_config.json",
                "vocab.txt",
            ]
        },
    ),
    Listing(
        "an adapter",
        ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "tokenizer.json", "scheduler.pt"],
        {"adapter": ["adapter_config.json", "adapter_model.safetensors"]},
    ),
    Listing("only pickles", ["config.json", "pytorch_model.bin", "tokenizer.json"], {}),
    Listing("an adapter as a pickle", ["adapter_config.json", "adapter_model.bin"], {}),
    Listing("an image model in folders", ["model_index.json", "unet/config.json", "unet/model.safetensors"], {}),
    Listing("a data set's leavings", ["data/train.parquet", "config.json"], {}),
    Listing(
        "both formats",
        ["config.json", "tokenizer.json", "model.safetensors", "m-Q8_0.gguf"],
        {
            "Q8_0": ["m-Q8_0.gguf"],
            "safetensors": ["README.md", "config.json", "model.safetensors", "tokenizer.json"],
        },
    ),
)


def listed(names: list[str]) -> list[HubFile]:
    """Of sizes that grow as the list goes on."""
    return [HubFile(name, 1000 + index) for index, name in enumerate((*ALWAYS, *names))]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.title)
def test_a_repository_as_choices(listing: Listing) -> None:
    choices = choices_of(listed(listing.files))
    assert {choice.name: sorted(file.path for file in choice.files) for choice in choices} == listing.expected
    assert all(not choice.problem for choice in choices)
    assert {choice.name: choice.projector.path for choice in choices if choice.projector} == listing.projectors
    assert [choice.size_bytes for choice in choices] == sorted(choice.size_bytes for choice in choices)


def choice_in(names: list[str], name: str) -> HubChoice:
    return next(choice for choice in choices_of(listed(names)) if choice.name == name)


def test_a_missing_part_is_told_and_listed_last() -> None:
    files = [*shards("a-Q8_0", 3)[:2], "a-BF16.gguf"]
    assert [choice.name for choice in choices_of(listed(files))] == ["BF16", "Q8_0"]
    assert choice_in(files, "Q8_0").problem == "Incomplete: the repository holds 2 of its 3 parts."
    weights = ["config.json", *shards("model", 3, "safetensors")[1:]]
    assert choice_in(weights, "safetensors").problem == "Incomplete: the repository holds 2 of its 3 parts."


def test_parts_come_in_their_order() -> None:
    files = shards("a-Q8_0", 12)
    assert [file.path for file in choice_in(files[::-1], "Q8_0").files] == files


def test_quantizations_of_one_model_share_its_stem() -> None:
    files = ["One-Q4_K_M.gguf", *shards("BF16/One-BF16", 2), "Two-Q8_0.gguf"]
    stems = {choice.name: stem_of(choice) for choice in choices_of(listed(files))}
    assert stems["One-Q4_K_M"] == stems["One-BF16"] != stems["Two-Q8_0"]


def test_a_model_is_not_taken_for_a_quantization() -> None:
    """Names that hold something like one."""
    for name in ("Qwen2-7B", "q-former", "Phi-3.5-mini-instruct", "F1-model"):
        choice = choices_of(listed([f"{name}.gguf"]))[0]
        assert (choice.name, choice.quantization) == (name, ""), name
