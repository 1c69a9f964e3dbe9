"""Tools as a person has them: in a real browser, with the real model, which calls what an extension gives."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Watched
from tests.conftest import starter_running
from tests.extensions.programs import write_extension
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]

PATIENCE_MS = 150_000
CODE = """
import time

from modules.extensions import Tool, hook

NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
NOTHING = {"type": "object", "properties": {}}


def wait(_arguments, context):
    while not context.cancelled():
        time.sleep(0.05)
    return ""


@hook
def tools():
    return [
        Tool("add", "Adds two whole numbers.", NUMBERS, lambda given, _: f"The sum is {given['a'] + given['b']}."),
        Tool("wait", "Waits for ever.", NOTHING, wait, needs_approval=False, seconds=120),
    ]
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("tools-program")
    write_extension(folder, "toolbox", CODE)
    with starter_running(folder, starter_file, "--context-length", "768", "--threads", "1") as program:
        with program.control() as client:
            assert client.post("/control/extensions/toolbox/enable", json={}).status_code == 200
        yield program


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide", "phone"])
def window(browser: Browser, program: RunningProgram, request: pytest.FixtureRequest) -> Iterator[Watched]:
    width, theme = request.param
    window = Watched(browser, program.url, width=width, theme=theme)
    yield window
    assert window.complaints == []
    window.close()


def choose(page: Page, *names: str) -> None:
    """By the keyboard alone: these tools, and a call before each answer."""
    button = page.get_by_role("button", name=re.compile("^Tools"))
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    for name in names:
        choice = page.get_by_role("checkbox", name=name)
        choice.press("Space")
        expect(choice).to_have_attribute("aria-checked", "true")
    page.get_by_role("radio", name="Call one before each answer").press("Space")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=f"Tools: {len(names)} on")).to_be_focused()


def card(page: Page, tool: str = "add") -> Locator:
    return page.get_by_role("region", name=f"Tool {tool} of toolbox").last


def finish(window: Watched) -> None:
    """A small model may ramble: then it is stopped."""
    window.page.wait_for_timeout(1500)
    if window.page.locator("article.streaming").count():
        window.page.keyboard.press("Escape")
    window.wait_for_reply()


def test_approve_decline_always_and_reload(window: Watched) -> None:
    page = window.open()
    choose(page, "add")
    window.send("What is 12 plus 30? Use add.")
    waiting = card(page)
    expect(waiting.get_by_role("status")).to_have_text("May it run?", timeout=PATIENCE_MS)
    expect(waiting.locator("dd")).to_have_text(["12", "30"])
    # A page that is opened again meanwhile finds the question where it was.
    page.reload()
    waiting = card(page)
    expect(waiting.get_by_role("button")).to_have_text(["Once", "Always in this conversation", "No"])
    waiting.get_by_role("button", name="Once").press("Enter")
    expect(waiting.get_by_role("status")).to_have_text(re.compile("Done in"))
    waiting.locator("summary").focus()
    expect(waiting.get_by_label("Result")).to_have_text("The sum is 42.")
    expect(page.locator("article.last .markup").last).to_have_text(re.compile(r"\w"))
    finish(window)
    page.reload()
    card(page).locator("summary").press("Enter")
    expect(card(page).get_by_label("Result")).to_have_text("The sum is 42.")
    expect(page.get_by_role("button", name="Tools: 1 on")).to_be_visible()

    window.send("And 1 plus 2?")
    expect(page.get_by_role("region", name="Tool add of toolbox")).to_have_count(2, timeout=PATIENCE_MS)
    card(page).get_by_role("button", name="No").click()
    expect(card(page).get_by_role("status")).to_have_text("Declined")
    finish(window)

    window.send("Add 5 and 8.")
    expect(page.get_by_role("region", name="Tool add of toolbox")).to_have_count(3, timeout=PATIENCE_MS)
    card(page).get_by_role("button", name="Always in this conversation").click()
    expect(card(page).get_by_role("status")).to_have_text(re.compile("Done in"))
    finish(window)
    window.send("Add 2 and 2.")
    expect(page.get_by_role("region", name="Tool add of toolbox")).to_have_count(4, timeout=PATIENCE_MS)
    expect(card(page).get_by_role("status")).to_have_text(re.compile("Done in"), timeout=PATIENCE_MS)
    finish(window)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_cancel_a_run_then_stop_the_reply(window: Watched) -> None:
    page = window.open()
    choose(page, "wait")
    window.send("Wait a little.")
    running = card(page, "wait")
    expect(running.get_by_role("status")).to_have_text("Running…", timeout=PATIENCE_MS)
    running.get_by_role("button", name="Cancel").click()
    expect(running.get_by_role("status")).to_have_text("Cancelled")
    finish(window)
    window.send("Wait again.")
    expect(page.get_by_role("region", name="Tool wait of toolbox")).to_have_count(2, timeout=PATIENCE_MS)
    expect(card(page, "wait").get_by_role("status")).to_have_text("Running…", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Stop").click()
    window.wait_for_reply()
    expect(card(page, "wait").get_by_role("status")).to_have_text("Cancelled")
    expect(page.locator("article.last .stopped-note")).to_be_visible()


def test_none_is_on_at_first_and_those_of_a_disabled_extension_are_gone(
    window: Watched, program: RunningProgram
) -> None:
    page = window.open()
    page.get_by_role("button", name="Tools", exact=True).click()
    choices = page.get_by_role("checkbox")
    expect(choices.filter(has_text="Adds two whole numbers.")).to_have_count(1)
    expect(choices.filter(has_text="Tells the date")).to_have_count(1)
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    page.keyboard.press("Escape")
    expect(choices).to_have_count(0)
    with program.control() as client:
        client.post("/control/extensions/toolbox/disable", json={})
    page.get_by_role("button", name="Tools", exact=True).click()
    expect(choices.filter(has_text="Adds two whole numbers.")).to_have_count(0)
    expect(choices.filter(has_text="Tells the date")).to_have_count(1)
    with program.control() as client:
        client.post("/control/extensions/toolbox/enable", json={})
