"""Files as UTF-8 text, with or without its mark; other encodings are named."""

import codecs
from pathlib import Path
from typing import BinaryIO

from modules.errors import BadRequest

NOT_UTF8 = "This is not UTF-8 text; save the file as UTF-8."


def open_utf8(path: Path) -> BinaryIO:
    """Stands behind the mark. Raises BadRequest for what was saved as UTF-16 or UTF-32."""
    file = path.open("rb")
    beginning = file.read(4)
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in beginning:
        file.close()
        raise BadRequest("The file is UTF-16, UTF-32 or no text at all; save it as UTF-8.")
    file.seek(len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0)
    return file


def holds_foreign_bytes(text: str) -> bool:
    """Whether it was decoded with `surrogateescape` from what is not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)
