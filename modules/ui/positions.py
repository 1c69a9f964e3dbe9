"""Places in a text as the page counts them, in UTF-16 units, and as we do, in characters."""

import re
from bisect import bisect_left

from modules.errors import BadRequest

# Characters of two units.
WIDE = re.compile("[\U00010000-\U0010ffff]")


class Positions:
    """Of one text; most texts hold no wide character, and then both counts are the same."""

    def __init__(self, text: str) -> None:
        self._wide = [found.start() for found in WIDE.finditer(text)]
        self._wide_units = [place + before for before, place in enumerate(self._wide)]

    def units(self, place: int) -> int:
        return place + bisect_left(self._wide, place)

    def character(self, units: int, field: str) -> int:
        """Raises BadRequest for a place within a character."""
        before = bisect_left(self._wide_units, units)
        if before and self._wide_units[before - 1] == units - 1:
            raise BadRequest("This place lies within a character.", field=field)
        return units - before
