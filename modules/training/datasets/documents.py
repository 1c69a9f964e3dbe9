"""Plain text and Markdown: a document each."""

from itertools import count
from pathlib import Path

from modules.errors import BadRequest
from modules.training.datasets.rows import Row, Rows
from modules.training.datasets.utf8 import NOT_UTF8, open_utf8

PIECE_CHARS = 2 * 1024 * 1024


def read_document(path: Path, file: str) -> Rows:
    """One row; a very long document becomes several, each of which ends with a line."""
    open_utf8(path).close()
    try:
        with path.open(encoding="utf-8-sig") as opened:
            for number in count(1):
                piece = opened.read(PIECE_CHARS)
                if len(piece) == PIECE_CHARS:
                    piece += opened.readline(PIECE_CHARS)
                if piece or number == 1:
                    yield Row(number, {"text": piece}, file)
                if not piece:
                    return
    except UnicodeDecodeError as error:
        raise BadRequest(NOT_UTF8) from error
