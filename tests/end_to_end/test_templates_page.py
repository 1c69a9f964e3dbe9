"""The Templates view as a person uses it: in a real browser, with the starter model."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched
from tests.conftest import starter_running
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

REVIEWS = ["I love it", "It broke at once", "=2+3", "Wonderful", "Awful"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    with starter_running(
        tmp_path_factory.mktemp("templates-program"), starter_file, "--threads", "1", "--slots", "2"
    ) as program:
        yield program


@pytest.fixture
def window(browser: Browser, program: RunningProgram) -> Iterator[Watched]:
    window = Watched(browser, program.url)
    yield window
    # What the program refuses is told in the browser's console too.
    assert [one for one in window.complaints if "status of 400" not in one] == []
    window.close()


def begin(window: Watched, template: str) -> Page:
    window.page.goto(f"{window.url}/?view=templates&template={template}")
    expect(window.page.get_by_role("combobox", name="Template")).to_have_value(template)
    return window.page


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def choose_file(page: Page, path: Path) -> None:
    page.get_by_role("button", name="Run over a file").click()
    page.get_by_label("A CSV or JSONL file").set_input_files(path)


def test_a_template_is_found_filled_in_and_run(window: Watched) -> None:
    page = window.open()
    page.get_by_role("button", name="Templates").click()
    page.get_by_role("combobox", name="Template").select_option("extract")
    page.get_by_role("textbox", name="Text", exact=True).fill("Ada Lovelace spoke in London on 3 May about engines.")
    run(page)
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_text("tokens/s")).to_be_visible(timeout=60_000)
    expect(result).to_contain_text('{"name": ')
    # What was typed stays for the next template that asks for it.
    page.get_by_role("combobox", name="Template").select_option("summarise")
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value("Ada Lovelace spoke in London on 3 May about engines.")  # fmt: skip
    page.reload()
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value("Ada Lovelace spoke in London on 3 May about engines.")  # fmt: skip


def test_a_text_is_stopped(window: Watched) -> None:
    page = begin(window, "write-code")
    page.get_by_label("What it shall do").fill(
        "Print the numbers from 1 to 500, each in a line of its own, without a loop."
    )
    run(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("region", name="Result")).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_labels_are_bars(window: Watched) -> None:
    page = begin(window, "classify")
    page.get_by_role("textbox", name="Text", exact=True).fill("I love it.")
    page.get_by_role("textbox", name="Labels").fill("good, bad")
    run(page)
    bars = page.get_by_role("region", name="Result").get_by_role("meter")
    expect(bars).to_have_count(2, timeout=60_000)
    shares = [float(bar.get_attribute("aria-valuenow") or 0) for bar in bars.all()]
    assert sum(shares) == pytest.approx(1)
    page.get_by_role("textbox", name="Labels").fill("good, good")
    run(page)
    expect(page.get_by_role("alert")).to_contain_text("'good' is there twice")


def test_a_file_is_run_to_its_result(window: Watched, tmp_path: Path) -> None:
    rows = tmp_path / "reviews.csv"
    rows.write_text("id,review\n" + "".join(f'{number},"{text}"\n' for number, text in enumerate(REVIEWS)))
    page = begin(window, "classify")
    choose_file(page, rows)
    dialog = page.get_by_role("dialog", name="Classify: run over a file")
    expect(dialog).to_contain_text("5 rows, 2 columns")
    expect(dialog.get_by_role("combobox", name="Text", exact=True)).to_have_value("review")
    previews = dialog.get_by_role("list", name="The first prompts").get_by_role("listitem")
    expect(previews).to_have_count(3)
    expect(previews.nth(1)).to_contain_text("Text: It broke at once")
    dialog.get_by_label("Name").fill("my reviews")
    dialog.get_by_role("button", name="Start").click()
    runs = page.get_by_role("list", name="Runs")
    expect(runs).to_contain_text("5 of 5 rows", timeout=60_000)
    expect(runs).to_contain_text("Done")
    with page.expect_download() as download:
        page.get_by_role("link", name="Result of my reviews").click()
    assert download.value.suggested_filename == "my reviews.csv"
    with Path(download.value.path()).open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["review"] for row in found] == ["'=2+3" if text == "=2+3" else text for text in REVIEWS]
    assert {row["output"] for row in found} <= {"positive", "negative", "neutral"}
    assert sum(float(found[0][label]) for label in ("positive", "negative", "neutral")) == pytest.approx(1, abs=1e-4)
    page.get_by_role("button", name="Delete my reviews", exact=True).click()
    page.get_by_role("button", name="Delete my reviews for good").click()
    expect(runs.get_by_role("listitem")).to_have_count(0)


def test_a_file_that_cannot_be_read_says_where(window: Watched, tmp_path: Path) -> None:
    rows = tmp_path / "old.csv"
    rows.write_bytes("text\nfine\ncaf\xe9\n".encode("latin-1"))
    page = begin(window, "summarise")
    choose_file(page, rows)
    expect(page.get_by_role("alert")).to_contain_text("row 2, column text: this is not UTF-8")
    expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_a_row_that_failed_says_why_and_is_not_offered_again_in_vain(window: Watched, tmp_path: Path) -> None:
    rows = tmp_path / "few.csv"
    rows.write_text('id,review\n1,"Good"\n2,""\n')
    page = begin(window, "classify")
    choose_file(page, rows)
    dialog = page.get_by_role("dialog", name="Classify: run over a file")
    dialog.get_by_label("Name").fill("few")
    dialog.get_by_role("button", name="Start").click()
    runs = page.get_by_role("list", name="Runs")
    expect(runs).to_contain_text("Done", timeout=60_000)
    expect(runs).to_contain_text("Row 2: The variable text cannot be used: it is empty, and the template needs it.")
    expect(page.get_by_role("button", name="Retry failed")).to_have_count(0)


def test_a_template_of_ones_own(window: Watched) -> None:
    page = begin(window, "summarise")
    page.get_by_role("button", name="New", exact=True).click()
    dialog = page.get_by_role("dialog", name="New template")
    dialog.get_by_label("Name").fill("greet")
    dialog.get_by_label("File").fill("prompt: Greet {{ who }}.")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("{{ who }} is no variable of this template")
    dialog.get_by_label("File").fill("title: Greet\nprompt: Greet {{ who }}.\nvariables:\n  - name: who\n")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("combobox", name="Template")).to_have_value("greet")
    expect(page.get_by_label("who")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("dialog", name="Edit template").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("combobox", name="Template")).not_to_have_value("greet")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("combobox", name="Template")).to_have_value("greet")
