"""A text in another language: prose piece by piece, code as it is."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from modules.types.messages import Message

BLOCK = re.compile(r"(^```.*?(?:^```[^\n]*$|\Z))", re.DOTALL | re.MULTILINE)
# More at once makes small models lose the thread.
PIECE_CHARS = 1200
# A translation may have this many tokens for each character, and some more.
TOKENS_PER_CHAR = 1.0
MORE_TOKENS = 64
BEFORE = "Translate the text below into {language}. Keep its Markdown. Write the translation and nothing else.\n\n"


class Reply(Protocol):
    def __call__(self, messages: Sequence[Message], *, max_tokens: int = 512) -> str: ...


def translated(text: str, language: str, reply: Reply) -> str:
    """Raises ValueError where the model answers nothing, and what `reply` raises."""
    return "".join(
        piece if is_code else translated_prose(piece, language, reply)
        for is_code, part in parts_of(text)
        for piece in ([part] if is_code else pieces(part))
    )


def translated_prose(text: str, language: str, reply: Reply) -> str:
    """Blanks around it stay."""
    bare = text.strip()
    if not any(char.isalpha() for char in bare):
        return text
    question = BEFORE.format(language=language) + bare
    answer = reply([Message("user", question)], max_tokens=int(len(bare) * TOKENS_PER_CHAR) + MORE_TOKENS).strip()
    if not answer:
        raise ValueError(f"The model gave no translation into {language}.")
    start = text.index(bare)
    return text[:start] + answer + text[start + len(bare) :]


def parts_of(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is a block of code, a stretch of the text)."""
    for place, part in enumerate(BLOCK.split(text)):
        if part:
            yield place % 2 == 1, part


def pieces(text: str) -> Iterator[str]:
    """Whole paragraphs, as many as fit; a longer one is cut after sentences, or anywhere."""
    piece = ""
    for paragraph in re.split(r"(?<=\n\n)", text):
        for sentence in [paragraph] if len(paragraph) <= PIECE_CHARS else re.split(r"(?<=[.!?。！？]\s)", paragraph):
            if piece and len(piece) + len(sentence) > PIECE_CHARS:
                yield piece
                piece = ""
            piece += sentence
            while len(piece) > PIECE_CHARS:
                yield piece[:PIECE_CHARS]
                piece = piece[PIECE_CHARS:]
    if piece:
        yield piece
