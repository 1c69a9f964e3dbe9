"""What a GGUF file's header says, read with bounds and never trusted.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules.errors import ModelError
from modules.types.local_model import ModelShape

MAGIC = b"GGUF"
MAX_ENTRIES = 65_536
MAX_ARRAY = 4_000_000
MAX_STRING_BYTES = 4 * 1024 * 1024
MAX_DIMENSIONS = 4
STRING, ARRAY = 8, 9
SCALARS = ("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?", "", "", "<Q", "<q", "<d")

# ggml type -> (values per block, bytes per block)
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


@dataclass(frozen=True)
class GgufHeader:
    """`name` is the title its author gave, or empty."""

    name: str
    shape: ModelShape


def read_gguf_header(path: Path) -> GgufHeader:
    """Raises ModelError with the reason when the file is damaged, truncated or not a GGUF."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return Reader(content).header()
    except (OSError, ValueError) as error:
        reason = "it is empty" if isinstance(error, ValueError) else (error.strerror or "it cannot be read")
        raise ModelError(f"{path.name} cannot be read: {reason}.") from error


class Reader:
    """A cursor over the file; every length is checked against what is left before it is used."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._size = len(content)
        self._place = 0

    def header(self) -> GgufHeader:
        if self._content[:4] != MAGIC:
            raise ModelError("This is not a GGUF file: it does not begin with GGUF.")
        self._place = 4
        version = self._number("<I")
        if version not in {2, 3}:
            raise ModelError(f"GGUF version {version} is not supported; versions 2 and 3 are.")
        tensors, entries = self._number("<Q"), self._number("<Q")
        if tensors > MAX_ENTRIES or entries > MAX_ENTRIES:
            raise ModelError(
                f"The header claims {tensors:,} tensors and {entries:,} entries; {MAX_ENTRIES:,} is the limit."
            )
        metadata = {key: value for key, value in (self._entry() for _ in range(entries)) if value is not None}
        parameters = self._tensors(tensors, metadata)
        return GgufHeader(text_of(metadata, "general.name"), shape_of(metadata, parameters))

    def _entry(self) -> tuple[str, Any]:
        return self._string(), self._value(self._number("<I"))

    def _value(self, kind: int) -> Any:
        """The value, or None for an array, which is walked over but not kept."""
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            self._skip_array()
            return None
        return self._number(scalar_format(kind))

    def _skip_array(self) -> None:
        kind, length = self._number("<I"), self._number("<Q")
        if length > MAX_ARRAY or kind == ARRAY:
            raise ModelError("The header holds an array that is too long or nested.")
        if kind == STRING:
            for _ in range(length):
                self._skip(self._number("<Q"))
        else:
            self._skip(length * struct.calcsize(scalar_format(kind)))

    def _tensors(self, count: int, metadata: dict[str, Any]) -> int:
        """Number of weights; checks that each tensor's data lies inside the file."""
        parameters, end = 0, 0
        for _ in range(count):
            name = self._string()
            dimensions = self._number("<I")
            if dimensions > MAX_DIMENSIONS:
                raise ModelError(f"Tensor {name[:80]!r} has {dimensions} dimensions; {MAX_DIMENSIONS} is the limit.")
            values = 1
            for _ in range(dimensions):
                values *= self._number("<Q")
            kind, offset = self._number("<I"), self._number("<Q")
            if kind not in BLOCKS:
                raise ModelError(f"Tensor {name[:80]!r} has the unknown type {kind}.")
            per_block, block_bytes = BLOCKS[kind]
            parameters += values
            end = max(end, offset + values // per_block * block_bytes)
        alignment = max(number_of(metadata, "general.alignment") or 32, 1)
        start = -(-self._place // alignment) * alignment
        if start + end > self._size:
            raise ModelError(
                f"The file is cut short: {start + end:,} bytes are needed, it has {self._size:,}. Download it again."
            )
        return parameters

    def _string(self) -> str:
        length = self._number("<Q")
        if length > MAX_STRING_BYTES:
            raise ModelError(f"The header holds a text of {length:,} bytes; {MAX_STRING_BYTES:,} is the limit.")
        start = self._place
        self._skip(length)
        return self._content[start : self._place].decode("utf-8", "replace")

    def _number(self, form: str) -> Any:
        start = self._place
        self._skip(struct.calcsize(form))
        return struct.unpack_from(form, self._content, start)[0]

    def _skip(self, count: int) -> None:
        if count > self._size - self._place:
            raise ModelError("The file ends in the middle of its header. Download it again.")
        self._place += count


def scalar_format(kind: int) -> str:
    form = SCALARS[kind] if kind < len(SCALARS) else ""
    if not form:
        raise ModelError(f"The header holds a value of the unknown type {kind}.")
    return form


def shape_of(metadata: dict[str, Any], parameters: int) -> ModelShape:
    architecture = text_of(metadata, "general.architecture")

    def number(key: str) -> int:
        return number_of(metadata, f"{architecture}.{key}")

    heads = number("attention.head_count")
    head_length = number("embedding_length") // heads if heads else 0
    return ModelShape(
        architecture=architecture,
        parameters=parameters,
        layers=number("block_count"),
        kv_heads=number("attention.head_count_kv") or heads,
        key_length=number("attention.key_length") or head_length,
        value_length=number("attention.value_length") or head_length,
        context_length=number("context_length"),
    )


def text_of(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value[:200] if isinstance(value, str) else ""


def number_of(metadata: dict[str, Any], key: str) -> int:
    """0 when absent, of another kind, or beyond any model's size."""
    value = metadata.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**40 else 0
