"""Documents as a person has them: a PDF is dropped into the tab, chosen beside the chat, and cited."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser import Watched
from tests.pdf_files import write_pdf
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TRUE = "The harbour of Velmoor was dredged in 1794 by convicts."
FALSE = "It was paid for by the king of Norway himself."


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    folder = tmp_path_factory.mktemp("documents-program")
    script = folder / "script.json"
    script.write_text(json.dumps([{"text": word + " "} for word in f"{TRUE} {FALSE}".split()]))
    arguments = ("--model", "echo", "--admin-key", "test-admin", "--echo-script", str(script))
    with RunningProgram(folder, *arguments) as program:
        program.wait_until_loaded()
        with program.control() as client:
            assert client.post("/control/extensions/documents/enable", json={}).status_code == 200
        yield program


def drop(target: Locator, file: Path) -> None:
    """As a person drops a file who drags it over the page."""
    dragged = target.page.evaluate_handle(
        """([text, name]) => {
            const dragged = new DataTransfer();
            dragged.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
            return dragged;
        }""",
        [base64.b64encode(file.read_bytes()).decode(), file.name],
    )
    for event in ("dragover", "drop"):
        target.dispatch_event(event, {"dataTransfer": dragged})


def test_from_a_pdf_to_a_citation(browser: Browser, program: RunningProgram, tmp_path: Path) -> None:
    window = Watched(browser, program.url)
    page = window.page
    page.goto(f"{window.url}/?view=documents%2Fdocuments")
    tab = page.locator(".extension-tab")
    tab.get_by_label("Name", exact=True).fill("Harbours")
    tab.get_by_role("button", name="Create").click()
    expect(tab).to_contain_text("There are none yet.")
    document = write_pdf(tmp_path / "log book.pdf", ["Contents of the log", f"{TRUE} Its fees were paid in salt."])
    drop(tab.get_by_role("button", name="A file: choose a file"), document)
    expect(tab.get_by_role("status")).to_contain_text("log book.pdf, 1 KB")
    tab.get_by_role("button", name="Add", exact=True).click()
    # Nothing is pressed meanwhile: the view shows what the reading comes to, around what is being typed.
    tab.get_by_label("Question or words").fill("Who dredged")
    expect(tab.get_by_role("cell", name="found by words", exact=True)).to_be_visible()
    expect(tab.get_by_role("cell", name="log book.pdf")).to_be_visible()
    expect(tab.get_by_role("progressbar")).to_have_count(0)
    expect(tab.get_by_label("Question or words")).to_be_focused()
    page.keyboard.type(" the harbour?")
    page.keyboard.press("Enter")
    expect(tab.get_by_role("link", name="log book.pdf, page 2")).to_be_visible()
    expect(tab.get_by_label("Question or words")).to_have_value("Who dredged the harbour?")

    window.open()
    window.ask("Hello")
    page.get_by_role("button", name="Panels of extensions").click()
    panel = page.get_by_role("complementary", name="Panels of extensions")
    panel.get_by_label("Harbours").check()
    panel.get_by_role("button", name="Answer from these").click()
    expect(panel.locator("form")).not_to_have_attribute("aria-busy", "true")
    expect(panel.get_by_label("Harbours")).to_be_checked()
    window.ask("Who dredged the harbour of Velmoor?")
    reply = page.locator("article.assistant").last
    expect(reply).to_contain_text(f"{TRUE} [1] {FALSE} (not found in your documents)")
    source = reply.get_by_role("link", name="[1] log book.pdf, page 2")
    expect(source).to_be_visible()
    address = source.get_attribute("href")
    assert address is not None
    page.goto(window.url + address)
    expect(page.locator("mark")).to_contain_text(TRUE)
    assert window.complaints == []
    window.close()
