"""A reply that an extension writes instead of a model."""

from collections.abc import Callable, Iterator
from itertools import islice

from modules.engines.generation import Generation
from modules.errors import ExtensionFault, ParlorError
from modules.extensions.facts import Given
from modules.extensions.registry import Extensions
from modules.extensions.steps import WRITER
from modules.types.generation import Event, Failed, Finished, TextDelta

# Until a piece comes; what the program does meanwhile for the extension does not count.
PIECE_SECONDS = 60.0
MOST_CHARS = 1_000_000


def write(extensions: Extensions, given: Given, generation: Generation, deliver: Callable[[Event], None]) -> bool:
    """False where the extension failed before it had written anything, so that a model can answer after all.

    `given.item` is the iterator that its hook returned.
    """
    pieces: Iterator[str] = given.item
    chars = 0
    while not generation.cancelled:
        try:
            step: tuple[object, ...] = extensions.call(
                given.extension, WRITER, next_piece, pieces, seconds=PIECE_SECONDS, returns=tuple
            )
        except ExtensionFault as error:
            if isinstance(error.__cause__, ValueError | ParlorError):
                extensions.record_fault(given.extension, WRITER, str(error))
            if chars:
                deliver(Failed.of(error))
            return chars > 0
        if not step:
            deliver(Finished("stop"))
            return True
        if text := str(step[0]):
            chars += len(text)
            deliver(TextDelta(text))
        if chars > MOST_CHARS:
            extensions.record_fault(given.extension, WRITER, f"wrote more than {MOST_CHARS:,} characters.")
            deliver(Finished("length"))
            return True
    deliver(Finished("cancelled"))
    return True


def next_piece(pieces: Iterator[str]) -> tuple[str, ...]:
    """Empty at the end."""
    return tuple(islice(pieces, 1))
