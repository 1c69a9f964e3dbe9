"""Parameters set by clicks, and what the starter model writes with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import Watched
from tests.conftest import starter_running
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    with starter_running(
        tmp_path_factory.mktemp("parameters-page"), starter_file, "--context-length", "512", "--threads", "1"
    ) as program:
        yield program


def test_a_reply_is_written_with_what_the_panel_says(window: Watched) -> None:
    page = window.open()
    page.get_by_role("button", name="Parameters", exact=True).click()
    panel = page.get_by_role("complementary", name="Parameters", exact=True)
    panel.get_by_role("spinbutton", name="Temperature", exact=True).fill("0")
    panel.get_by_role("spinbutton", name="Longest reply", exact=True).fill("5")
    # At once, without waiting until the values are saved.
    window.ask("Tell me a long story about a dragon.")
    short = window.last_reply()
    assert 0 < len(short.split()) <= 5
    # Only here: a structure, which leaves the reply no choice.
    panel.get_by_role("combobox", name="These apply").select_option("conversation")
    panel.locator("summary", has_text="Structured output").click()
    panel.get_by_role("combobox", name="A reply must match").select_option("choice")
    panel.get_by_role("textbox", name="Texts, one a line").fill("zebra\nyak")
    expect(panel.get_by_text("In use.", exact=True)).to_be_visible()
    window.ask("Which animal?")
    assert window.last_reply() in {"zebra", "yak"}
    page.get_by_role("button", name="New chat").click()
    expect(panel.get_by_role("combobox", name="These apply").locator("option:checked")).to_have_text("Everywhere")
    window.ask("Tell me a long story about a dragon.")
    assert window.last_reply() == short


def test_a_knob_out_of_range_is_explained_and_the_next_token_follows_the_knobs(window: Watched) -> None:
    page = window.open()
    page.get_by_label("Message", exact=True).fill("What is the capital of France?")
    page.get_by_role("button", name="Parameters", exact=True).click()
    panel = page.get_by_role("complementary", name="Parameters", exact=True)
    temperature = panel.get_by_role("spinbutton", name="Temperature", exact=True)
    temperature.fill("7")
    expect(panel.get_by_role("alert").filter(has_text="Temperature can be 5 at most, and it was 7")).to_be_visible()
    temperature.fill("1.5")
    panel.locator("summary", has_text="Next token").click()
    last = panel.locator(".chart-step").last
    expect(last).to_contain_text("Temperature")
    temperature.fill("0")
    expect(last).to_contain_text("1 token")
    expect(last).to_contain_text("100 %")
