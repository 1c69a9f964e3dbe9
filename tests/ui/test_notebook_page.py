"""The Notebook in a real browser against documents in memory: writing, keeping, choosing, comparing."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched, wait_until
from tests.ui.fake_chat import FakeChat, PageServer
from tests.ui.fake_notebook import PAUSE, Document, FakeNotebook, Token, View

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(chat: FakeChat) -> Iterator[FakeNotebook]:
    return chat.notebook


def field(page: Page) -> Any:
    return page.get_by_label("Text", exact=True)


def open_notebook(window: Watched, path: str = "?view=notebook") -> Page:
    window.page.goto(f"{window.url}/{path}")
    field(window.page).wait_for()
    return window.page


def opened(window: Watched, notebook: FakeNotebook, text: str) -> tuple[Page, Document]:
    """A document of that text, open and ready."""
    document = notebook.add("Tale", text)
    page = open_notebook(window, f"?view=notebook&document={document.id}")
    expect(field(page)).to_have_value(text)
    return page, document


def test_what_is_typed_becomes_a_document_and_is_saved(window: Watched, notebook: FakeNotebook) -> None:
    page = open_notebook(window)
    field(page).press_sequentially("A story")
    wait_until(lambda: bool(notebook.documents))
    document = notebook.documents["d1"]
    expect(page.locator(".document .title")).to_have_text("Untitled")
    field(page).press_sequentially(" begins\nhere")
    wait_until(lambda: notebook.text(document) == "A story begins\nhere")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?view=notebook&document=d1"))
    expect(page.locator(".document .title")).to_have_text("A story begins")


def generated(page: Page) -> None:
    """Until the model has written all it writes."""
    expect(page.get_by_role("button", name="Continue", exact=True, disabled=False)).to_be_visible()


@contextmanager
def outage(window: Watched, chat: FakeChat, status: int = 503) -> Iterator[None]:
    """The program refuses all it is asked meanwhile."""
    window.forgive(str(status))
    chat.outage = status
    yield
    chat.outage = 0


def leave(page: Page) -> str:
    """The address to come back to."""
    address = page.url
    page.goto("about:blank")
    return address


def kept_unsaved(page: Page) -> list[str]:
    return page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('unsaved'))")


def counted(chat: FakeChat) -> int:
    return sum(name == "notebook_count" for name, _ in chat.calls)


def press_generate(page: Page, name: str = "Generate") -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_generate_continue_regenerate_undo_and_redo(window: Watched, notebook: FakeNotebook) -> None:
    notebook.scripts = [[[(" once", 0.9)]], [[(" then", 0.9)]], [[(" never", 0.9)]]]
    page, _ = opened(window, notebook, "It was")
    field(page).press("Control+Enter")
    expect(field(page)).to_have_value("It was once")
    generated(page)
    press_generate(page, "Continue")
    expect(field(page)).to_have_value("It was once then")
    generated(page)
    page.get_by_role("button", name="Regenerate", exact=True).click()
    expect(field(page)).to_have_value("It was once never")
    generated(page)
    field(page).press_sequentially("!")
    for expected in ("It was once never", "It was once", "It was"):
        field(page).press("Control+z")
        expect(field(page)).to_have_value(expected)
    expect(page.get_by_role("button", name="Undo (Ctrl+Z)")).to_be_disabled()
    for expected in ("It was once", "It was once never", "It was once never!"):
        field(page).press("Control+Shift+z")
        expect(field(page)).to_have_value(expected)
    expect(page.get_by_role("button", name="Redo (Ctrl+Shift+Z)")).to_be_disabled()


def test_escape_stops_and_the_field_is_closed_while_a_model_writes(window: Watched, notebook: FakeNotebook) -> None:
    notebook.scripts = [[[(" once", 0.9)], PAUSE, [(" more", 0.9)]]]
    page, document = opened(window, notebook, "It was")
    press_generate(page)
    expect(field(page)).to_have_value("It was once")
    field(page).press_sequentially("lost?")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    field(page).press("Escape")
    generated(page)
    assert notebook.text(document) == "It was once"
    expect(field(page)).to_have_value("It was once")


def test_a_text_that_ended_badly_says_why_and_can_be_made_again(window: Watched, notebook: FakeNotebook) -> None:
    notebook.failure = "The engine ended unexpectedly."
    page, _ = opened(window, notebook, "It was")
    press_generate(page)
    notice = page.get_by_role("alert").filter(has_text="The engine ended unexpectedly.")
    expect(notice).to_be_visible()
    expect(field(page)).to_have_value("It was once upon a time")
    notice.get_by_role("button", name="Regenerate").click()
    expect(page.locator(".notebook-notice")).to_be_hidden()
    generated(page)


def test_text_behind_the_cursor_stays_when_a_model_inserts(window: Watched, notebook: FakeNotebook) -> None:
    notebook.scripts = [[[(" once", 0.9)]], [[(" gone", 0.9)]]]
    page, _ = opened(window, notebook, "It was. The end.")
    field(page).evaluate("field => field.setSelectionRange(6, 6)")
    page.get_by_role("button", name="Other places to write").click()
    page.get_by_role("button", name="Insert at the cursor").click()
    expect(field(page)).to_have_value("It was once. The end.")
    generated(page)
    field(page).evaluate("field => field.setSelectionRange(6, 6)")
    page.get_by_role("button", name="Other places to write").click()
    page.get_by_role("button", name="Write on from the cursor").click()
    expect(field(page)).to_have_value("It was gone")


def test_a_token_shows_what_could_have_stood_there_and_another_makes_a_branch(
    window: Watched, notebook: FakeNotebook
) -> None:
    notebook.scripts = [[[(" once", 0.95), (" upon", 0.5)], [(" a", 0.2), (" time", 0.02)]], [[(" barked", 0.9)]]]
    page, _ = opened(window, notebook, "It was")
    press_generate(page)
    generated(page)
    page.get_by_role("button", name="Tokens", exact=True).click()
    tokens = page.locator(".token-text .token")
    expect(tokens).to_have_text([" once", " upon", " a", " time"])
    classes = [re.sub("token ", "", str(one.get_attribute("class"))) for one in tokens.all()]
    assert classes == ["sure", "open", "unlikely", "rare"]
    looks = [one.evaluate("one => getComputedStyle(one).borderBottomStyle") for one in tokens.all()[1:]]
    assert len(set(looks)) == 3
    tokens.nth(1).hover()
    expect(page.locator(".token-said")).to_have_text("␣upon 50.0 %")
    page.get_by_label("Text with the probability of every token").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    choices = page.get_by_role("dialog", name="What could stand here")
    expect(choices).to_contain_text("bytes 20 61")
    expect(choices.get_by_role("button", name="␣a, 20.0 %, as it is")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(choices).to_be_hidden()
    expect(page.get_by_label("Text with the probability of every token")).to_be_focused()
    page.keyboard.press("Enter")
    expect(choices).to_be_visible()
    choices.get_by_role("button", name="␣dog, 10.0 %").press("Enter")
    expect(page.locator(".token-text")).to_have_text("It was once upon dog barked")
    generated(page)
    page.get_by_role("button", name="Branches, versions and memory").click()
    beside = page.locator(".branch.beside")
    expect(beside).to_have_count(1)
    beside.get_by_role("button", name="Compare branch").click()
    expect(page.locator(".comparison del")).to_have_text("dog barked")
    expect(page.locator(".comparison ins")).to_have_text("a time")
    page.get_by_role("button", name="Close", exact=True).click()
    beside.get_by_role("button", name="Show branch").click()
    expect(page.locator(".token-text")).to_have_text("It was once upon a time")


def test_tokens_stay_where_they_are_when_text_is_typed_around_them(window: Watched, notebook: FakeNotebook) -> None:
    page, document = opened(window, notebook, "It was")
    press_generate(page)
    generated(page)
    field(page).evaluate("field => field.setSelectionRange(0, 0)")
    field(page).press_sequentially("Well. ")
    page.get_by_role("button", name="Tokens", exact=True).click()
    expect(page.locator(".token-text")).to_have_text("Well. It was once upon a time")
    expect(page.locator(".token-text .token")).to_have_count(4)
    wait_until(lambda: notebook.text(document).startswith("Well."))
    page.get_by_role("button", name="Text", exact=True).click()
    field(page).evaluate("field => { const at = field.value.indexOf('upon'); field.setSelectionRange(at, at + 2); }")
    field(page).press("X")
    page.get_by_role("button", name="Tokens", exact=True).click()
    expect(page.locator(".token-text .token")).to_have_text([" once", " a", " time"])


def test_several_continuations_stand_side_by_side_until_one_is_picked(window: Watched, notebook: FakeNotebook) -> None:
    notebook.scripts = [[[(" one", 0.9)], PAUSE], [[(" two", 0.9)]], [[(" three", 0.9)]]]
    page, _ = opened(window, notebook, "It was")
    page.get_by_label("Continuations at once").select_option("3")
    press_generate(page)
    cards = page.locator(".continuation-text")
    expect(cards).to_have_text([" one", " two", " three"])
    expect(field(page)).to_have_value("It was")
    page.get_by_role("button", name="Use 2").click()
    expect(field(page)).to_have_value("It was two")
    expect(page.locator(".continuations")).to_be_hidden()
    generated(page)
    page.get_by_role("button", name="Branches, versions and memory").click()
    expect(page.locator(".branch.beside .version-preview")).to_have_text(["three", "one"])


def test_continuations_are_made_anew_in_their_place(window: Watched, notebook: FakeNotebook) -> None:
    page, document = opened(window, notebook, "My colour")
    press_generate(page)
    generated(page)
    kept = "My colour once upon a time"
    page.get_by_label("Continuations at once").select_option("2")
    press_generate(page, "Continue")
    expect(page.get_by_role("button", name="Use 2")).to_be_enabled()
    generated(page)
    notebook.scripts = [[[(" again", 0.5)]]]
    page.get_by_role("button", name="Regenerate").click()
    expect(page.locator(".continuation-text")).to_have_text([" again", " again"])
    expect(field(page)).to_have_value(kept)
    generated(page)
    page.get_by_role("button", name="Use 1").click()
    expect(field(page)).to_have_value(f"{kept} again")
    expect(page.locator(".continuation")).to_have_count(0)
    assert len(document.versions) == 6
    # Behind another text they make no sense.
    press_generate(page, "Continue")
    expect(page.locator(".continuation-text")).to_have_text([" again", " again"])
    generated(page)
    field(page).press_sequentially("!")
    expect(page.locator(".continuation")).to_have_count(0)
    expect(page.locator(".toast")).to_contain_text("among the branches")


def test_continuations_that_were_stopped_before_the_first_word_vanish(window: Watched, notebook: FakeNotebook) -> None:
    page, _ = opened(window, notebook, "My colour")
    notebook.scripts = [[PAUSE, [(" is", 0.5)]]]
    page.get_by_label("Continuations at once").select_option("2")
    press_generate(page)
    expect(page.locator(".continuation")).to_have_count(2)
    field(page).press_sequentially("lost?")
    expect(page.locator(".toast")).to_contain_text("Press Escape to stop it")
    page.keyboard.press("Escape")
    expect(page.locator(".continuation")).to_have_count(0)
    expect(page.get_by_role("heading", name="Pick a continuation")).to_be_hidden()
    expect(field(page)).to_have_value("My colour")
    page.keyboard.press("Control+z")
    expect(page.locator(".toast:not(.error)", has_text="There is nothing to undo.")).to_be_visible()


def test_what_could_not_be_saved_outlives_the_page(window: Watched, notebook: FakeNotebook, chat: FakeChat) -> None:
    page, document = opened(window, notebook, "It was")
    field(page).press_sequentially(" a dark")
    wait_until(lambda: notebook.text(document) == "It was a dark")
    with outage(window, chat):
        field(page).press_sequentially(" night")
        expect(page.get_by_role("alert").filter(has_text="Not saved yet")).to_be_visible()
        assert notebook.text(document) == "It was a dark"
        notebook.type_elsewhere(document, 0, 2, "That")
        address = leave(page)
    page.goto(address)
    expect(field(page)).to_have_value("That was a dark night")
    wait_until(lambda: notebook.text(document) == "That was a dark night")
    wait_until(lambda: kept_unsaved(page) == [])


def test_memory_that_could_not_be_saved_outlives_the_page(
    window: Watched, notebook: FakeNotebook, chat: FakeChat
) -> None:
    page, document = opened(window, notebook, "It was")
    page.get_by_role("button", name="Branches, versions and memory").click()
    page.get_by_role("tab", name="Memory").click()
    with outage(window, chat):
        page.get_by_role("textbox", name="Memory").fill("Marit is old.")
        expect(page.get_by_text("Not saved.")).to_be_visible()
        assert document.memory == ""
        address = leave(page)
    page.goto(address)
    wait_until(lambda: document.memory == "Marit is old.")
    wait_until(lambda: kept_unsaved(page) == [])


def test_saving_goes_on_when_the_program_is_back(window: Watched, notebook: FakeNotebook, chat: FakeChat) -> None:
    page, document = opened(window, notebook, "It was")
    with outage(window, chat, 500):
        field(page).press_sequentially(" night")
        expect(page.get_by_role("alert").filter(has_text="Not saved yet")).to_be_visible()
    wait_until(lambda: notebook.text(document) == "It was night")
    expect(page.locator(".notebook-notice")).to_be_hidden()


def test_changes_of_two_tabs_are_put_together(window: Watched, notebook: FakeNotebook) -> None:
    page, document = opened(window, notebook, "One. Two.")
    notebook.type_elsewhere(document, 0, 0, "Zero. ")
    field(page).press_sequentially(" Three.")
    wait_until(lambda: notebook.text(document) == "Zero. One. Two. Three.")
    expect(field(page)).to_have_value("Zero. One. Two. Three.")


def test_when_two_tabs_change_one_place_nothing_is_overwritten(
    window: Watched, notebook: FakeNotebook, chat: FakeChat
) -> None:
    page, document = opened(window, notebook, "One")
    # Otherwise this tab might see the other's change before anything is typed here.
    with outage(window, chat):
        field(page).press_sequentially(" here")
        expect(page.get_by_role("alert").filter(has_text="Not saved yet")).to_be_visible()
        notebook.type_elsewhere(document, 3, 0, " there")
        theirs = document.head
    notice = page.get_by_role("alert").filter(has_text="Another tab changed the same place")
    expect(notice).to_be_visible()
    field(page).press_sequentially(" too")
    time.sleep(1.0)
    assert document.head == theirs
    notice.get_by_role("button", name="Keep mine as a branch").click()
    wait_until(lambda: notebook.text(document) == "One here too")
    assert document.versions[theirs].text == "One there"
    page.get_by_role("button", name="Branches, versions and memory").click()
    expect(page.locator(".branch.beside .version-preview")).to_have_text("there")


def test_what_another_tab_does_appears(window: Watched, notebook: FakeNotebook) -> None:
    page, document = opened(window, notebook, "One")
    notebook.type_elsewhere(document, 3, 0, " two")
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(field(page)).to_have_value("One two")
    del notebook.documents[document.id]
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.get_by_role("button", name="Save it as a new document").click()
    wait_until(lambda: [notebook.text(one) for one in list(notebook.documents.values())] == ["One two"])


def test_documents_are_renamed_moved_found_deleted_and_taken_back(window: Watched, notebook: FakeNotebook) -> None:
    notebook.add("Letter", "Dear", folder="Letters")
    page, _ = opened(window, notebook, "It was")
    title = page.get_by_label("Title", exact=True)
    title.fill("Long tale")
    title.press("Enter")
    row = page.locator(".document.open")
    expect(row.locator(".title")).to_have_text("Long tale")
    expect(page).to_have_title("Long tale – Parlor")
    row.hover()
    row.get_by_role("button", name="Move Long tale").click()
    page.get_by_role("combobox", name="Folder").fill("Stories/Drafts")
    page.keyboard.press("Enter")
    expect(page.locator(".group")).to_have_text(["Letters", "Stories / Drafts"])
    expect(page.get_by_role("button", name="Folder: Stories/Drafts. Move")).to_be_visible()
    page.get_by_role("button", name="Letters", exact=True).click()
    expect(page.locator(".document")).to_have_count(1)
    page.get_by_label("Search documents").fill("Letter")
    expect(page.locator(".document .title")).to_have_text("Letter")
    page.get_by_label("Search documents").fill("")
    row.hover()
    row.get_by_role("button", name="Delete Long tale").click()
    expect(field(page)).to_have_value("")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(field(page)).to_have_value("It was")
    page.get_by_role("button", name="New document").click()
    expect(field(page)).to_have_value("")
    expect(field(page)).to_be_focused()
    page.go_back()
    expect(field(page)).to_have_value("It was")


def test_versions_come_back_and_memory_is_kept(window: Watched, notebook: FakeNotebook) -> None:
    page, document = opened(window, notebook, "It was")
    press_generate(page)
    generated(page)
    page.get_by_role("button", name="Branches, versions and memory").click()
    page.get_by_role("tab", name="Branches").press("ArrowRight")
    versions = page.locator(".version:visible")
    expect(versions).to_have_count(2)
    versions.last.get_by_role("button", name="Restore").click()
    expect(field(page)).to_have_value("It was")
    page.get_by_role("tab", name="Memory").click()
    page.get_by_role("textbox", name="Memory").fill("Marit is old.")
    page.get_by_label("Lines from the end").fill("5")
    expect(page.get_by_role("tabpanel").get_by_text("Saved", exact=True)).to_be_visible()
    assert (document.memory, document.note_depth) == ("Marit is old.", 5)
    page.get_by_label("Lines from the end").fill("500")
    expect(page.get_by_text("whole number from 1 to 100")).to_be_visible()
    assert document.note_depth == 5


def test_memory_is_saved_in_the_order_it_was_written(
    window: Watched, notebook: FakeNotebook, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, may_save = notebook.notebook_settings, threading.Event()

    def slow_at_first(values: View) -> View:
        if values["note_depth"] == 3:
            may_save.wait(60)
        return save(values)

    monkeypatch.setattr(notebook, "notebook_settings", slow_at_first)
    page, document = opened(window, notebook, "It was")
    page.get_by_role("button", name="Branches, versions and memory").click()
    page.get_by_role("tab", name="Memory").click()
    page.get_by_role("textbox", name="Memory").fill("Marit is old.")
    wait_until(lambda: any(name == "notebook_settings" for name, _ in chat.calls))
    page.get_by_label("Lines from the end").fill("5")
    page.wait_for_timeout(1000)
    may_save.set()
    expect(page.get_by_role("tabpanel").get_by_text("Saved", exact=True)).to_be_visible()
    assert (document.memory, document.note_depth) == ("Marit is old.", 5)


def test_memory_is_kept_where_it_begins_a_document(window: Watched, notebook: FakeNotebook) -> None:
    page = open_notebook(window)
    page.get_by_role("button", name="Branches, versions and memory").click()
    page.get_by_role("tab", name="Memory").click()
    memory = page.get_by_role("textbox", name="Memory")
    memory.press_sequentially("Marit is old.")
    expect(page.get_by_role("tabpanel").get_by_text("Saved", exact=True)).to_be_visible()
    memory.press_sequentially(" She is a smith.")
    wait_until(lambda: notebook.documents["d1"].memory == "Marit is old. She is a smith.")


def test_a_selection_is_shown_token_by_token(window: Watched, notebook: FakeNotebook) -> None:
    page, _ = opened(window, notebook, "It was late")
    button = page.get_by_role("button", name="Token ids")
    expect(button).to_be_disabled()
    field(page).evaluate("field => { field.focus(); field.setSelectionRange(0, 6); }")
    button.click()
    expect(page.locator(".token-table tbody tr")).to_have_text(
        [re.compile("It.*49 74"), re.compile("␣was.*20 77 61 73")]
    )


def test_texts_go_to_the_chat_and_conversations_come_from_it(
    window: Watched, notebook: FakeNotebook, chat: FakeChat
) -> None:
    page, document = opened(window, notebook, "It was late")
    page.get_by_role("button", name="More", exact=True).click()
    links = page.locator(".menu-panel a")
    assert [link.get_attribute("href") for link in links.all()] == [
        f"/ui/documents/{document.id}/export?format={one}" for one in ("txt", "md", "html", "docx")
    ]
    page.get_by_role("button", name="Send to chat").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("It was late")
    conversation = chat.add("Old", "question", "<p>answer</p>")
    page.goto(f"{window.url}/?c={conversation}")
    page.get_by_role("button", name="To notebook").click()
    expect(field(page)).to_have_value(f"The conversation {conversation}.")
    expect(page).to_have_url(re.compile("view=notebook"))


def test_lengths_are_told_while_typing(window: Watched, notebook: FakeNotebook, chat: FakeChat) -> None:
    page, _ = opened(window, notebook, "one two three four five")
    counts = page.locator(".notebook-counts")
    expect(counts).to_have_text("4 of 2,048 tokens · 5 words · 23 characters")
    before = counted(chat)
    with outage(window, chat):
        field(page).press_sequentially(" six seven")
        expect(counts).to_have_text(re.compile("about .* tokens · 7 words · 33 characters"))
    expect(counts).to_have_text("6 of 2,048 tokens · 7 words · 33 characters")
    # The count comes with the saving: no question per key.
    assert counted(chat) == before
    field(page).fill("word " * 4000)
    expect(counts).to_contain_text("The model reads only the end of this text")
    expect(counts).to_contain_text("of 2,048 tokens")


@contextmanager
def watched_tasks(browser: Browser, page: Page) -> Iterator[list[float]]:
    """Afterwards the list holds how long each task of the page's main thread computed, in ms.

    Thread time rather than time: what else runs on this machine does not count.
    """
    durations: list[float] = []
    browser.start_tracing(
        page=page, categories=["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
    )
    yield durations
    events = json.loads(browser.stop_tracing())["traceEvents"]
    mains = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    durations += [
        one["tdur"] / 1000
        for one in events
        if one["name"].endswith("RunTask") and (one["pid"], one["tid"]) in mains and "tdur" in one
    ]


def many_tokens(count: int) -> list[Token]:
    words = [" the", " sea", " was", " calm", ",", " and", " nobody", " came", ".\n\n"]
    return [(words[place % len(words)], (place * 37 % 100) / 100) for place in range(count)]


@pytest.mark.alone
def test_five_thousand_tokens_stay_responsive(browser: Browser, window: Watched, notebook: FakeNotebook) -> None:
    tokens = many_tokens(5000)
    notebook.scripts = [[tokens[place : place + 4] for place in range(0, 4800, 4)], [[one] for one in tokens[4800:]]]
    notebook.step_seconds = 0.0
    page, _ = opened(window, notebook, "It was")
    page.get_by_role("button", name="Tokens", exact=True).click()
    press_generate(page)
    expect(page.locator(".token-text .token")).to_have_count(4800, timeout=60_000)
    generated(page)
    notebook.step_seconds = 0.02
    page.get_by_label("Text with the probability of every token").hover()
    with watched_tasks(browser, page) as tasks:
        # Nothing is looked for meanwhile: the browser would have to search through all the tokens.
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(3000)
        for _ in range(30):
            page.mouse.wheel(0, -800)
            page.wait_for_timeout(30)
        page.wait_for_timeout(2000)
    generated(page)
    expect(page.locator(".token-text .token")).to_have_count(5000)
    assert len(tasks) > 200
    assert max(tasks) <= 100


def test_the_text_stands_beside_its_rendering(window: Watched, notebook: FakeNotebook) -> None:
    page, _ = opened(window, notebook, "# Title\n\n<b>bold</b><script>no</script>")
    page.get_by_role("button", name="Side by side").click()
    rendered = page.get_by_role("region", name="Rendered text")
    expect(rendered.locator("h1")).to_have_text("Title")
    expect(rendered).to_contain_text("<b>bold</b>")
    field(page).press("End")
    field(page).press_sequentially("\n\n- one")
    expect(rendered.locator("li")).to_have_text("one")
    page.get_by_role("button", name="HTML", exact=True).click()
    expect(rendered.locator("b")).to_have_text("bold")
    expect(rendered.locator("script")).to_have_count(0)
    expect(field(page)).to_be_visible()
    page.reload()
    expect(rendered.locator("b")).to_have_text("bold")
    page.get_by_role("button", name="Text", exact=True).click()
    expect(rendered).to_be_hidden()


def test_fingers_find_everything_on_a_phone(
    browser: Browser, served: PageServer, chat: FakeChat, notebook: FakeNotebook
) -> None:
    window = Watched(browser, served.url, 390, 844, "dark")
    page, _ = opened(window, notebook, "It was late. " * 200)
    press_generate(page)
    generated(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for forms in ("Tokens", "Markdown", "Text"):
        page.get_by_role("button", name=forms, exact=True).click()
        for button in page.locator(".notebook-view button:visible:enabled:not(.form-choice)").all():
            box = button.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 40
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
    page.get_by_role("button", name="Branches, versions and memory").click()
    panel = page.get_by_role("complementary", name="Branches, versions and memory")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="Documents", exact=True).click()
    expect(page.get_by_role("button", name="New document")).to_be_focused()
    window.close()
    assert window.complaints == []
