"""The reference page says what the declarations say."""

from modules.services.knob_reference import PAGE, page
from modules.types.parameters import Parameters


def test_the_page_is_true() -> None:
    """Write it anew with `python -m modules.services.knob_reference`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_knob_has_a_row_with_a_meaning() -> None:
    rows = {
        cells[1].strip(" `"): cells
        for line in page().splitlines()
        if len(cells := line.split(" | ")) == 11
        for cells in [line.split("|")]
    }
    assert set(Parameters.model_fields) <= set(rows)
    assert all(rows[name][7].strip().endswith(".") for name in Parameters.model_fields)
