"""What readers give: stretches of text in the order of the file."""

from dataclasses import dataclass
from itertools import groupby

# Between a heading and those below it.
SEPARATOR = " › "


@dataclass(frozen=True)
class Block:
    """A paragraph, a table's row, or a page's text. `page` counts from 1, None where there are no pages."""

    text: str
    page: int | None = None
    heading: str = ""


class Headings:
    """The headings above what is read now, outermost first; what repeats the one above it is left out."""

    def __init__(self) -> None:
        self._levels: list[tuple[int, str]] = []

    def enter(self, level: int, text: str) -> None:
        """Deeper ones, and those of the same level, end here."""
        self._levels = [(one, name) for one, name in self._levels if one < level]
        if text.strip():
            self._levels.append((level, " ".join(text.split())))

    def __str__(self) -> str:
        return SEPARATOR.join(name for name, _ in groupby(name for _, name in self._levels))
