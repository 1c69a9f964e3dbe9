"""The reference page says what the declarations say."""

from modules.services.knob_reference import COLUMNS, PAGE, page
from modules.types.parameters import Parameters


def test_the_page_is_true() -> None:
    """Write it anew with `python -m modules.services.knob_reference`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_knob_has_a_row_with_a_meaning() -> None:
    rows = [line.split(" | ") for line in page().splitlines()]
    meanings = {cells[0].strip("| `"): cells[6] for cells in rows if len(cells) == len(COLUMNS)}
    assert set(Parameters.model_fields) <= set(meanings)
    assert all(meanings[name].endswith(".") for name in Parameters.model_fields)
