"""A repository's files as what one click downloads: each quantization of a GGUF model, or a safetensors model whole."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from modules.types.hub import HubChoice, HubFile

SAFETENSORS, ADAPTER = "safetensors", "adapter"
CONFIG, ADAPTER_CONFIG, ADAPTER_WEIGHTS = "config.json", "adapter_config.json", "adapter_model.safetensors"
QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])"
    r"((?:UD-)?(?:[IT]?Q\d{1,2}(?:_(?:K|S|M|L|P|XXS|XS|XL|XXL|NL|\d{1,2}))*|BF16|FP?(?:8|16|32)|(?:MX|NV)FP4(?:_MOE)?))"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
SHARD = re.compile(r"(.+)-(\d{1,6})-of-(\d{1,6})", re.IGNORECASE)
# `model-00001-of-00002` as most write it, `model.safetensors-00001-of-00002` as some do.
MAIN_WEIGHTS = frozenset({"model", "model.safetensors"})
# The number format of a projector, the best first: what llama.cpp computes with everywhere.
PROJECTOR_FORMATS = ("F16", "BF16", "F32")
# Beside the weights: configuration, tokenizer, chat template, licence. Code, pickles and pictures are not among them.
TEXT_SUFFIXES = frozenset({".json", ".jinja", ".txt", ".model", ".tiktoken", ".spm", ".bpe", ".md"})
TEXT_NAMES = frozenset({"license", "notice"})
TEMPLATES = "additional_chat_templates"
# Lists of shards in formats that are not taken, and records of the training.
OTHER_TEXTS = re.compile(
    r".*\.(bin|h5|msgpack|onnx)\.index\.json|(trainer_state|all_results|.*_results)\.json", re.IGNORECASE
)
# sentence-transformers keeps the layers after the model in numbered folders.
MODULES = "modules.json"
MODULE_FOLDER = re.compile(r"\d+_[A-Za-z]+")

Parts = tuple[HubFile, ...]


@dataclass(frozen=True)
class Part:
    """`model-00002-of-00003` is the second of three of `model`; what is whole is the first of one."""

    base: str
    number: int
    count: int


def choices_of(files: Sequence[HubFile]) -> tuple[HubChoice, ...]:
    """By size, those that cannot be used last. Empty when the repository holds nothing that can be run safely."""
    choices = [*gguf_choices(files), *safetensors_choices(files), *adapter_choices(files)]
    return tuple(sorted(choices, key=lambda choice: (bool(choice.problem), choice.size_bytes, choice.name)))


def stem_of(choice: HubChoice) -> str:
    """The model a choice is one form of: the same for all its quantizations, in whatever folder."""
    if choice.format != "gguf":
        return choice.name
    return f"gguf {quantization_and_stem(part_of(choice.files[0]).base)[1]}"


@dataclass(frozen=True)
class GgufSet:
    """The files of one quantization: one, or all the shards that are there of `shards`."""

    folder: str
    base: str
    quantization: str
    stem: str
    shards: int
    files: Parts

    @property
    def problem(self) -> str:
        return incomplete(len(self.files), self.shards)


def gguf_choices(files: Sequence[HubFile]) -> list[HubChoice]:
    sets = gguf_sets(files)
    projectors = [file for file in files if is_projector(file)]
    return [
        HubChoice(
            name=name,
            format="gguf",
            files=one.files,
            projector=projector_for(one, projectors),
            quantization=one.quantization,
            problem=one.problem,
        )
        for name, one in zip(names_of(sets), sets, strict=True)
    ]


def gguf_sets(files: Sequence[HubFile]) -> list[GgufSet]:
    """Files of one name but for their shard's number belong together."""
    found = [file for file in files if file.path.lower().endswith(".gguf") and not is_projector(file)]
    sets = [gguf_set(folder, base, count, parts) for (folder, base, count), parts in sets_of_parts(found).items()]
    return [one for one in sets if not is_no_model(one)]


def gguf_set(folder: str, base: str, shards: int, files: Parts) -> GgufSet:
    quantization, stem = quantization_and_stem(base)
    if not quantization and QUANTIZATION.fullmatch(folder.rpartition("/")[2]):
        quantization = folder.rpartition("/")[2].upper()
    return GgufSet(folder, base, quantization, stem, shards, files)


def quantization_and_stem(base: str) -> tuple[str, str]:
    """`Some-Model-Q4_K_M` is (`Q4_K_M`, `some-model`); the last one counts where there are several."""
    found = list(QUANTIZATION.finditer(base))
    if not found:
        return "", base.lower()
    last = found[-1]
    return last[1].upper(), (base[: last.start()] + base[last.end() :]).strip("-._ ").lower()


def is_projector(file: HubFile) -> bool:
    path = PurePosixPath(file.path.lower())
    return path.suffix == ".gguf" and "mmproj" in path.name


def is_no_model(one: GgufSet) -> bool:
    """What quantizing left behind: importance matrices and bare vocabularies."""
    return (not one.quantization and "imatrix" in one.base.lower()) or one.base.lower().startswith("ggml-vocab")


def names_of(sets: Sequence[GgufSet]) -> list[str]:
    """The shortest kind of name under which no two are the same."""
    kinds: list[Callable[[GgufSet], str]] = [lambda one: one.base, lambda one: f"{one.folder}/{one.base}".strip("/")]
    if len({one.stem for one in sets}) == 1:
        kinds = [lambda one: one.quantization, lambda one: f"{one.folder}/{one.quantization}".strip("/"), *kinds]
    for kind in kinds:
        names = [kind(one) for one in sets]
        if all(names) and len(set(names)) == len(names):
            return names
    return [one.files[0].path for one in sets]


def projector_for(one: GgufSet, projectors: Sequence[HubFile]) -> HubFile | None:
    """The nearest in folders, then the one that names the model, then the best number format."""

    def distance(file: HubFile) -> tuple[int, bool, int]:
        name = PurePosixPath(file.path).stem
        form = quantization_and_stem(name)[0]
        rank = PROJECTOR_FORMATS.index(form) if form in PROJECTOR_FORMATS else len(PROJECTOR_FORMATS)
        return steps_between(one.folder, folder_of(file)), one.stem not in name.lower(), rank

    return min(projectors, key=distance, default=None)


def steps_between(folder: str, other: str) -> int:
    ours, theirs = PurePosixPath(folder).parts, PurePosixPath(other).parts
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    return len(ours) + len(theirs) - 2 * shared


def safetensors_choices(files: Sequence[HubFile]) -> list[HubChoice]:
    """The model at the top of the repository; one that lies in folders belongs to another program."""
    top = [file for file in files if not folder_of(file)]
    names = {file.path for file in top}
    weights, problem = main_weights([file for file in top if file.path.lower().endswith(".safetensors")])
    if CONFIG not in names or not weights:
        return []
    texts = [file for file in top if is_text(file) and file.path != ADAPTER_CONFIG]
    templates = [file for file in files if folder_of(file) == TEMPLATES and file.path.endswith(".jinja")]
    layers = [file for file in files if is_layer(file)] if MODULES in names else []
    chosen = (*texts, *templates, *layers, *weights)
    return [HubChoice(SAFETENSORS, "safetensors", chosen, problem=problem)]


def main_weights(found: Sequence[HubFile]) -> tuple[Parts, str]:
    """(the model's own weights without second copies of them, what is wrong with them or nothing).

    Files of other names stay: some models keep a part of theirs (what reads images, say) beside the rest.
    """
    own = [file for file in found if not file.path.lower().startswith(("consolidated", "adapter_"))]
    sets = {(base, count): parts for (_, base, count), parts in sets_of_parts(own).items()}
    if not sets:
        return (), ""
    # Beside `model`, `model.fp16` is a variant of it; whole and in parts it is there twice.
    main = max(sets, key=lambda key: (key[0] in MAIN_WEIGHTS, len(sets[key]) >= key[1], len(sets[key]), key))
    kept = [main, *(key for key in sets if key[0] != main[0] and not key[0].startswith(f"{main[0]}."))]
    faults = (incomplete(len(sets[key]), key[1]) for key in kept)
    return tuple(file for key in kept for file in sets[key]), next(filter(None, faults), "")


def adapter_choices(files: Sequence[HubFile]) -> list[HubChoice]:
    top = {file.path: file for file in files if not folder_of(file)}
    if ADAPTER_CONFIG not in top or ADAPTER_WEIGHTS not in top:
        return []
    needed = [top[ADAPTER_CONFIG], top[ADAPTER_WEIGHTS]]
    return [HubChoice(ADAPTER, "safetensors", tuple(needed))]


def is_text(file: HubFile) -> bool:
    path = PurePosixPath(file.path.lower())
    if OTHER_TEXTS.fullmatch(path.name):
        return False
    return path.suffix in TEXT_SUFFIXES or path.stem in TEXT_NAMES


def is_layer(file: HubFile) -> bool:
    folder = folder_of(file)
    return bool(MODULE_FOLDER.fullmatch(folder)) and file.path.endswith((".json", ".safetensors", ".txt"))


def folder_of(file: HubFile) -> str:
    """Empty at the top."""
    return file.path.rpartition("/")[0]


def part_of(file: HubFile) -> Part:
    stem = PurePosixPath(file.path).stem
    shard = SHARD.fullmatch(stem)
    return Part(shard[1], int(shard[2]), int(shard[3])) if shard else Part(stem, 1, 1)


def sets_of_parts(files: Sequence[HubFile]) -> dict[tuple[str, str, int], Parts]:
    """(folder, name, how many parts make it up) -> the parts that are there, in order."""
    sets: dict[tuple[str, str, int], dict[int, HubFile]] = {}
    for file in files:
        part = part_of(file)
        if 1 <= part.number <= part.count:
            sets.setdefault((folder_of(file), part.base, part.count), {})[part.number] = file
    return {key: tuple(parts[number] for number in sorted(parts)) for key, parts in sets.items()}


def incomplete(found: int, count: int) -> str:
    return "" if found >= count else f"Incomplete: the repository holds {found} of its {count} parts."
