"""Reads the beginning of a GGUF file: its entries, and the list of its tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

import struct
from collections import Counter
from math import prod
from typing import Any

from modules.errors import ModelError
from modules.library.gguf_types import TENSOR_TYPES

MAGIC = b"GGUF"
CUT_OFF = "The file ends in the middle of its header. Download it again."
MAX_ENTRIES = 65_536
MAX_ARRAY = 4_000_000
MAX_STRING_BYTES = 4 * 1024 * 1024
MAX_DIMENSIONS = 4
MAX_PARAMETERS = 2**48
# Of what is kept: a longer text is cut, a longer array (a vocabulary) is counted only, a longer key passed over.
KEPT_TEXT_BYTES = 400
KEPT_ARRAY = 4096
KEPT_KEY_BYTES = 128
STRING, ARRAY = 8, 9
SCALARS = ("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?", "", "", "<Q", "<q", "<d")
LENGTH = struct.Struct("<Q")
COUNT = struct.Struct("<I")
# What follows a name in the list of tensors, by the number of dimensions.
TENSORS: tuple[struct.Struct, ...] = tuple(
    struct.Struct(f"<{dimensions}QIQ") for dimensions in range(MAX_DIMENSIONS + 1)
)
# The keys that lie between a vocabulary's long lists all begin like this.
NEXT_KEY = b"tokenizer."
# How often these letters may turn out to be a part of some text.
LOOKS = 1000


class CutOffError(ModelError):
    """The content ends in the middle of the header."""


class Reader:
    """A cursor over the beginning of a file; every length is checked against what is left before it is used.

    Gives `values` by key, `lengths` of arrays by key, how many weights are of which of the `types`, and all of them
    together, `parameters`, once the list of tensors is read. With `leaps` it hurries over long lists of texts.
    """

    def __init__(self, content: bytes, *, leaps: bool = False) -> None:
        self._content = content
        self._leaps = leaps
        self._place = 0
        self._strings_left = MAX_ARRAY
        self.values: dict[str, Any] = {}
        self.lengths: dict[str, int] = {}
        self.types: Counter[int] = Counter()
        self.parameters = 0
        self._tensor_bytes = 0

    def read_whole(self, file_bytes: int) -> None:
        """Raises ModelError also when the tensors do not lie inside the file."""
        self.read()
        stated = self.values.get("general.alignment")
        alignment = stated if isinstance(stated, int) and 0 < stated < 2**20 else 32
        needed = -(-self._place // alignment) * alignment + self._tensor_bytes
        if needed > file_bytes:
            raise ModelError(
                f"The file is cut short: {needed:,} bytes are needed, it has {file_bytes:,}. Download it again."
            )

    def read(self) -> None:
        """Raises CutOffError where the content ends too early; what came before is kept."""
        if not self._content:
            raise ModelError("The file is empty.")
        if self._content[:4] != MAGIC:
            raise ModelError("This is not a GGUF file: it does not begin with GGUF.")
        self._place = 4
        version = self._number(COUNT)
        if version not in {2, 3}:
            raise ModelError(f"GGUF version {version} is not supported; versions 2 and 3 are.")
        tensors, entries = self._number(LENGTH), self._number(LENGTH)
        if tensors > MAX_ENTRIES or entries > MAX_ENTRIES:
            raise ModelError(
                f"The header claims {tensors:,} tensors and {entries:,} entries; {MAX_ENTRIES:,} is the limit."
            )
        for left in range(entries, 0, -1):
            self._entry(is_last=left == 1)
        self._tensors(tensors)

    def _entry(self, *, is_last: bool) -> None:
        key = self._text()
        kind = self._number(COUNT)
        if kind == ARRAY:
            value = self._array(key, is_last=is_last)
        else:
            value = self._text() if kind == STRING else self._number(scalar(kind))
        if value is not None and len(key) <= KEPT_KEY_BYTES:
            self.values[key] = value

    def _array(self, key: str, *, is_last: bool) -> tuple[Any, ...] | None:
        """The numbers of a short one; of others only the length is kept."""
        kind, length = self._number(COUNT), self._number(LENGTH)
        if length > MAX_ARRAY or kind == ARRAY:
            raise ModelError("The header holds an array that is too long or nested.")
        if len(key) <= KEPT_KEY_BYTES:
            self.lengths[key] = length
        if kind == STRING:
            if not (self._leaps and not is_last and self._leap(length)):
                self._skip_strings(length)
            return None
        start, form = self._place, scalar(kind)
        self._skip(length * form.size)
        if length > KEPT_ARRAY:
            return None
        return struct.unpack_from(f"<{length}{form.format[1:]}", self._content, start)

    def _leap(self, strings: int) -> bool:
        """To the next key behind a list of texts, whose lengths are not followed; False when there is none in sight.

        Whether it is the right place shows in what follows: as many entries and tensors as the header claims.
        """
        if strings < KEPT_ARRAY:
            return False
        at = self._place + (strings + 1) * LENGTH.size - 1
        for _ in range(LOOKS):
            at = self._content.find(NEXT_KEY, at + 1)
            if at < 0:
                break
            (length,) = LENGTH.unpack_from(self._content, at - LENGTH.size)
            if len(NEXT_KEY) < length <= KEPT_KEY_BYTES:
                self._place = at - LENGTH.size
                return True
        raise CutOffError(CUT_OFF)

    def _skip_strings(self, count: int) -> None:
        self._strings_left -= count
        if self._strings_left < 0:
            raise ModelError(f"The header holds more than {MAX_ARRAY:,} texts, which is the limit.")
        content, unpack, place, end = self._content, LENGTH.unpack_from, self._place, len(self._content)
        try:
            for _ in range(count):
                place += 8 + unpack(content, place)[0]
        except (struct.error, OverflowError):
            place = end + 1
        self._skip(place - self._place)

    def _tensors(self, count: int) -> None:
        parameters, end = 0, 0
        try:
            for _ in range(count):
                values, tensor_end = self._tensor()
                parameters += values
                end = max(end, tensor_end)
        except (struct.error, OverflowError) as error:
            raise CutOffError(CUT_OFF) from error
        if parameters > MAX_PARAMETERS:
            raise ModelError(f"The header claims {parameters:,} weights; {MAX_PARAMETERS:,} is the limit.")
        self.parameters, self._tensor_bytes = parameters, end

    def _tensor(self) -> tuple[int, int]:
        """(how many weights, where they end). Reading beyond the end raises what struct raises."""
        content, start = self._content, self._place
        place = start + LENGTH.size + LENGTH.unpack_from(content, start)[0]
        dimensions: int = COUNT.unpack_from(content, place)[0]
        if dimensions > MAX_DIMENSIONS:
            raise ModelError(f"{self._named(start)} has {dimensions} dimensions; {MAX_DIMENSIONS} is the limit.")
        form = TENSORS[dimensions]
        numbers: tuple[int, ...] = form.unpack_from(content, place + COUNT.size)
        kind, offset = numbers[-2], numbers[-1]
        if kind not in TENSOR_TYPES:
            raise ModelError(f"{self._named(start)} has the unknown type {kind}.")
        self._place = place + COUNT.size + form.size
        values = prod(numbers[:-2])
        _, per_block, block_bytes = TENSOR_TYPES[kind]
        self.types[kind] += values
        return values, offset + values // per_block * block_bytes

    def _named(self, place: int) -> str:
        self._place = place
        return f"Tensor {self._text()[:80]!r}"

    def _text(self) -> str:
        """Its beginning."""
        length = self._number(LENGTH)
        if length > MAX_STRING_BYTES:
            raise ModelError(f"The header holds a text of {length:,} bytes; {MAX_STRING_BYTES:,} is the limit.")
        start = self._place
        self._skip(length)
        return self._content[start : start + min(length, KEPT_TEXT_BYTES)].decode("utf-8", "replace")

    def _number(self, form: struct.Struct) -> Any:
        start = self._place
        self._skip(form.size)
        return form.unpack_from(self._content, start)[0]

    def _skip(self, count: int) -> None:
        if count > len(self._content) - self._place:
            raise CutOffError(CUT_OFF)
        self._place += count


def scalar(kind: int) -> struct.Struct:
    form = SCALARS[kind] if kind < len(SCALARS) else ""
    if not form:
        raise ModelError(f"The header holds a value of the unknown type {kind}.")
    return struct.Struct(form)
