"""Places as the page counts them and as we do."""

import pytest

from modules.errors import BadRequest
from modules.ui.positions import Positions

TEXT = "a\U0001f600b\U0001f600\U0001f600c"


def test_both_ways_at_every_character() -> None:
    positions = Positions(TEXT)
    for place in range(len(TEXT) + 1):
        units = len(TEXT[:place].encode("utf-16-le")) // 2
        assert positions.units(place) == units
        assert positions.character(units, "start") == place


@pytest.mark.parametrize("units", [2, 5, 7])
def test_a_place_within_a_character_is_refused(units: int) -> None:
    with pytest.raises(BadRequest, match="within a character") as refused:
        Positions(TEXT).character(units, "cursor")
    assert refused.value.field == "cursor"


def test_a_place_beyond_the_end_stays_beyond_it() -> None:
    assert Positions(TEXT).character(100, "start") > len(TEXT)
