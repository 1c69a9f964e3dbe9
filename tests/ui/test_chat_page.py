"""What the chat page does by itself, in a real browser against scripted answers: waiting, growing, failing, keeping."""

import re
import threading
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from modules.ui.markup import render_message
from tests.browser import Watched, wait_until
from tests.ui.fake_chat import PAUSE, STATS, FakeChat, PageServer, delta, progress
from tests.ui.fake_hub_page import download
from tests.ui.fake_models import model

pytestmark = pytest.mark.browser

LONG = "<p>" + "A line of text.<br>" * 80 + "</p>"


def message_field(page: Page) -> Any:
    return page.get_by_label("Message", exact=True)


def come_back(page: Page) -> None:
    """As if the window came to the front again."""
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def put(page: Page, script: str) -> None:
    """Into the message field, what a script makes: too much to type."""
    message_field(page).evaluate(f"field => {{ field.value = {script}; field.dispatchEvent(new Event('input')); }}")


def test_only_the_growing_reply_is_touched(window: Watched, chat: FakeChat) -> None:
    old = chat.add("Old", "question", "<p>answer</p>")
    chat.script = [delta("begin"), PAUSE, delta("half", "<p>First.</p>"), delta("more", "<p>Second.</p>")]
    page = window.open(f"/?c={old}")
    expect(page.locator("article")).to_have_count(2)
    window.send("Go on")
    expect(page.locator("article.streaming .tail")).to_have_text("begin")
    page.evaluate("""() => {
        window.touched = [];
        const note = (changes) => changes.forEach((change) => window.touched.push(
            change.target.closest?.("article")?.className ?? "list"));
        new MutationObserver(note).observe(document.querySelector(".messages"), {childList: true, subtree: true});
    }""")
    chat.script.append(PAUSE)
    chat.go_on.set()
    expect(page.locator("article.last .markup").first).to_contain_text("Second.")
    window.wait_for_reply()
    touched = set(page.evaluate("window.touched"))
    assert any("assistant" in one for one in touched)
    # The list itself changes once, when the finished message takes the growing one's place.
    assert touched <= {"list", "message assistant streaming last", "message assistant complete last"}
    expect(page.locator("article.last .stats")).to_have_text("42 tok/s · first token 0.12 s · 312 of 8,192 tokens")
    expect(page.get_by_text("The reply is complete.")).to_be_attached()


@pytest.mark.parametrize(("speed", "words"), [(0.43, "0.4 tok/s"), (9.97, "10 tok/s"), (108_404.0, "108,404 tok/s")])
def test_a_speed_is_readable_on_slow_and_fast_machines(
    window: Watched, chat: FakeChat, speed: float, words: str
) -> None:
    chat.outcome = {"stats": {**STATS, "tokens_per_second": speed}}
    page = window.open()
    window.ask("Hello")
    expect(page.locator("article.last .stats")).to_contain_text(words)


def test_a_file_dropped_where_none_is_taken_leaves_the_page(window: Watched) -> None:
    page = window.open()
    drag = """(field, name) => {
        const carried = new DataTransfer();
        carried.items.add(new File(["text"], "notes.txt", {type: "text/plain"}));
        const event = new DragEvent(name, {bubbles: true, cancelable: true, dataTransfer: carried});
        field.dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    field = page.get_by_role("textbox", name="Message")
    assert all(field.evaluate(drag, name) for name in ("dragover", "drop"))
    expect(page.get_by_text("Files are not taken here.")).to_be_visible()


def test_there_is_one_main_landmark(window: Watched) -> None:
    page = window.open()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    expect(page.get_by_role("main")).to_have_count(1)


def test_the_last_reply_can_be_continued(window: Watched, chat: FakeChat) -> None:
    old = chat.add("Old", "first", "<p>one</p>", "second", "<p>two</p>")
    page = window.open(f"/?c={old}")
    buttons = page.get_by_role("button", name="Continue", exact=True)
    expect(buttons).to_have_count(1)
    buttons.click()
    window.wait_for_reply()
    asked = [values["message_id"] for name, values in chat.calls if name == "chat_continue"]
    assert len(asked) == 1
    expect(page.locator("article.last .version-count")).to_have_text("2/2")


def test_the_last_reply_can_be_edited(window: Watched, chat: FakeChat) -> None:
    old = chat.add("Old", "first", "one", "second", "two")
    page = window.open(f"/?c={old}")
    page.get_by_role("button", name="Edit reply").click()
    field = page.get_by_label("New text")
    expect(field).to_have_value("two")
    field.press("Escape")
    expect(page.get_by_role("button", name="Edit reply")).to_be_focused()
    page.keyboard.press("Enter")
    field.press("End")
    field.press("Enter")
    page.keyboard.type("and three")
    field.press("Control+Enter")
    expect(page.locator("article.last .body")).to_contain_text("and three")
    expect(page.locator("article.last .version-count")).to_have_text("2/2")
    expect(page.locator("article.last .said-by")).to_have_count(0)
    edited = [values["text"] for name, values in chat.calls if name == "chat_edit_reply"]
    assert edited == ["two\nand three"]


def test_waiting_is_told(window: Watched, chat: FakeChat) -> None:
    steps = {
        "Loading the model 40 %": progress("loading", fraction=0.4),
        "Waiting, number 2 in line": progress("queued", position=2),
        "Reading the conversation 60 %": progress("reading", fraction=0.6),
    }
    page = window.open()
    for words, step in steps.items():
        chat.go_on.clear()
        chat.script = [step, PAUSE, delta("", "<p>Done.</p>")]
        window.send("Hello")
        expect(page.locator("article.last .progress")).to_have_text(words)
        chat.go_on.set()
        window.wait_for_reply()
        expect(page.locator("article.last")).to_contain_text("Done.")


def test_escape_stops_but_not_from_an_open_panel(window: Watched, chat: FakeChat) -> None:
    chat.script = [delta("", "<p>So far.</p>", reasoning="Let me think."), PAUSE]
    page = window.open()
    window.send("Hello")
    expect(page.locator("details.reasoning")).to_contain_text("Let me think.")
    page.locator(".model-button").click()
    expect(page.locator(".model-panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".model-panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("article.last .stopped-note")).to_have_text("Stopped")
    expect(page.locator("article.last")).to_contain_text("So far.")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_refused_message_comes_back(window: Watched, chat: FakeChat) -> None:
    chat.refuse("chat_send", "The disk is full.")
    page = window.open()
    window.send("Precious words")
    expect(page.get_by_role("alert")).to_contain_text("The disk is full.")
    expect(message_field(page)).to_have_value("Precious words")
    page.keyboard.press("Enter")
    expect(page.locator("article")).to_have_count(2)
    expect(message_field(page)).to_have_value("")


def test_failed_reply_shows_why_and_can_be_retried(window: Watched, chat: FakeChat) -> None:
    chat.outcome = {"state": "failed", "error": "The engine ended unexpectedly."}
    page = window.open()
    window.send("Hello")
    expect(page.locator(".failure")).to_contain_text("The engine ended unexpectedly.")
    chat.outcome = {"stats": {**STATS, "dropped_messages": 3}}
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".version-count")).to_have_text("2/2")
    expect(page.locator(".dropped")).to_contain_text("The first 3 messages no longer fit")
    back, forth = (page.get_by_role("button", name=f"{way} version") for way in ("Previous", "Next"))
    back.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".version-count")).to_have_text("1/2")
    # There is none before it, so the other arrow has the focus.
    expect(forth).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".version-count")).to_have_text("2/2")
    expect(back).to_be_focused()


def test_words_typed_while_sending_stay(window: Watched, chat: FakeChat) -> None:
    chat.accepts_sends.clear()
    page = window.open()
    window.send("First")
    expect(message_field(page)).to_have_value("")
    page.keyboard.type("and then")
    chat.accepts_sends.set()
    expect(page.locator("article")).to_have_count(2)
    expect(message_field(page)).to_have_value("and then")
    page.reload()
    expect(message_field(page)).to_have_value("and then")


def test_late_answer_does_not_take_the_person_back(window: Watched, chat: FakeChat) -> None:
    chat.add("Elsewhere", "other question", "<p>other answer</p>")
    chat.accepts_sends.clear()
    page = window.open()
    window.send("Slow one")
    wait_until(lambda: any(name == "chat_send" for name, _ in chat.calls))
    page.get_by_role("button", name="Elsewhere", exact=True).click()
    expect(page.locator("article.assistant")).to_have_text(re.compile("other answer"))
    chat.accepts_sends.set()
    expect(page.locator(".conversation")).to_have_count(2)
    expect(page.locator("article.assistant")).to_have_text(re.compile("other answer"))
    page.get_by_role("button", name="Slow one", exact=True).click()
    expect(page.locator("article.user")).to_have_text(re.compile("Slow one"))


def test_opens_at_the_end_and_lets_the_person_read_above(window: Watched, chat: FakeChat) -> None:
    old = chat.add("Long", "question", LONG, "again", "<p>short</p>")
    chat.script = [delta("start", LONG), PAUSE, delta("", LONG)]
    page = window.open(f"/?c={old}")
    scroller = page.locator(".scroller")
    end = "box => box.scrollHeight - box.scrollTop - box.clientHeight"
    expect(page.locator("article")).to_have_count(4)
    wait_until(lambda: scroller.evaluate(end) < 5)
    # Out of sight is out of the keyboard's way too.
    jump = page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    window.send("More")
    expect(page.locator("article.streaming .tail")).to_have_text("start")
    wait_until(lambda: scroller.evaluate(end) < 5)
    scroller.hover()
    page.mouse.wheel(0, -900)
    expect(jump).to_have_css("opacity", "1")
    chat.go_on.set()
    window.wait_for_reply()
    assert scroller.evaluate(end) > 500
    jump.click()
    wait_until(lambda: scroller.evaluate(end) < 5)


def test_lost_stream_is_taken_up_again(browser: Browser, served: PageServer, chat: FakeChat) -> None:
    chat.refuses_streams = True
    chat.script = [delta("", "<p>All of it.</p>"), PAUSE]
    window = Watched(browser, served.url)
    page = window.open()
    window.send("Hello")
    expect(page.locator("article.last")).to_contain_text("Reconnecting…")
    chat.refuses_streams = False
    expect(page.locator("article.last")).to_contain_text("All of it.")
    page.reload()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.locator("article.last .markup").first).to_have_text("All of it.")
    chat.go_on.set()
    window.wait_for_reply()
    window.close()
    assert all("404" in line for line in window.complaints)


def test_earlier_messages_come_on_demand(window: Watched, chat: FakeChat) -> None:
    old = chat.add("Very long", *(f"<p>turn {number}</p>" for number in range(100)))
    page = window.open(f"/?c={old}")
    expect(page.locator("article")).to_have_count(60)
    page.get_by_role("button", name="Show earlier messages").click()
    expect(page.locator("article")).to_have_count(100)
    expect(page.locator("article").first).to_contain_text("turn 0")
    expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()


def test_starter_card(window: Watched, chat: FakeChat) -> None:
    chat.library.models = []
    chat.library.suggested = None
    chat.starter["present"] = False
    page = window.open()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.get_by_text("Downloading … 25 %")).to_be_visible()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    chat.starter["job"]["progress"] = 0.5
    expect(page.get_by_text("Downloading … 50 %")).to_be_visible()
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_visible()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(cancel).to_be_visible()
    chat.starter["job"] = {"id": "j2", "state": "failed", "progress": None, "note": "", "error": "No network."}
    expect(page.get_by_role("alert")).to_have_text("No network.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_failed_model_tells_why(window: Watched, chat: FakeChat) -> None:
    chat.library.models = [model(state="failed", error="It needs more memory.", details="alloc failed")]
    page = window.open()
    page.get_by_role("button", name=re.compile("Model: Small Model, failed")).click()
    expect(page.get_by_text("It needs more memory.")).to_be_visible()
    expect(page.get_by_text("alloc failed")).to_be_hidden()
    page.get_by_text("What the engine said").click()
    expect(page.get_by_text("alloc failed")).to_be_visible()
    chat.library.models.append(model("other", "Other Model"))
    come_back(page)
    expect(page.locator(".model-choice", has_text="Other Model")).to_be_visible()
    expect(page.get_by_text("alloc failed")).to_be_visible()


def test_banner_says_what_to_know(window: Watched, chat: FakeChat) -> None:
    chat.persistent = False
    chat.notices = ["The settings file could not be read."]
    page = window.open()
    expect(page.locator(".banner p")).to_have_text(["Chats are not being saved.", chat.notices[0]])


def test_sidebar_groups_rename_delete_and_undo(window: Watched, chat: FakeChat) -> None:
    now = time.time()
    for title, age_days in (("Now", 0), ("Before", 1), ("Long ago", 9)):
        chat.add(title, "a", "<p>b</p>", updated=now - age_days * 86400)
    page = window.open()
    expect(page.locator(".group")).to_have_text(["Today", "Yesterday", "Earlier"])
    page.get_by_label("Search conversations").fill("Long")
    expect(page.locator(".conversation")).to_have_count(1)
    page.get_by_label("Search conversations").fill("")
    page.get_by_role("button", name="Now", exact=True).click()
    row = page.locator(".conversation.open")
    row.hover()
    row.get_by_role("button", name="Rename Now").click()
    page.get_by_label("New title").fill("Never mind")
    page.keyboard.press("Escape")
    expect(row.locator(".title")).to_have_text("Now")
    row.hover()
    row.get_by_role("button", name="Rename Now").click()
    page.get_by_label("New title").fill("Renamed")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Renamed – Parlor")
    row.hover()
    row.get_by_role("button", name="Delete Renamed").click()
    expect(page.locator(".conversation")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(row.locator(".title")).to_have_text("Renamed")
    expect(page.locator("article")).to_have_count(2)


def test_keys_and_history(window: Watched, chat: FakeChat) -> None:
    chat.add("One", "a", "<p>b</p>")
    page = window.open()
    expect(page.locator(".welcome")).to_be_visible()
    page.get_by_role("button", name="One", exact=True).click()
    expect(page.locator("article")).to_have_count(2)
    page.go_back()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator("article")).to_have_count(0)
    page.go_forward()
    expect(page.locator("article")).to_have_count(2)
    page.locator(".conversation.open button").first.focus()
    page.keyboard.press("/")
    expect(page.get_by_label("Search conversations")).to_be_focused()
    page.keyboard.press("Control+Shift+O")
    expect(page.locator(".welcome")).to_be_visible()
    expect(message_field(page)).to_be_focused()
    page.get_by_role("button", name=re.compile("haiku")).click()
    expect(message_field(page)).to_have_value(re.compile("haiku"))


def test_enter_that_ends_a_composition_sends_nothing(window: Watched) -> None:
    page = window.open()
    message_field(page).fill("日本")
    press = "field => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: %s, bubbles: true}))"
    message_field(page).evaluate(press % "true")
    expect(message_field(page)).to_have_value("日本")
    message_field(page).evaluate(press % "false")
    expect(page.locator("article.user")).to_have_text(re.compile("日本"))


def test_drawer_and_theme_on_a_phone(browser: Browser, served: PageServer, chat: FakeChat) -> None:
    cells = "<td>word</td>" * 40
    old = chat.add("Wide", "w" * 400, f'<div class="table"><table><tr>{cells}</tr></table></div>')
    window = Watched(browser, served.url, 390, 844, "dark")
    page = window.open(f"/?c={old}")
    body = page.locator("body")
    expect(page.locator("article")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".scroller").evaluate("box => box.scrollWidth <= box.clientWidth")
    opener = page.get_by_role("button", name="Conversations", exact=True)
    opener.click()
    expect(page.get_by_role("button", name="New chat")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".sidebar")).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    page.locator(".scrim").click(position={"x": 380, "y": 400})
    expect(page.locator(".sidebar")).to_be_hidden()
    expect(body).to_have_class(re.compile("dark"))
    page.get_by_role("button", name="Dark or light").click()
    expect(body).not_to_have_class(re.compile("dark"))
    page.reload()
    expect(page.locator("article")).to_have_count(2)
    expect(body).not_to_have_class(re.compile("dark"))
    window.close()
    assert window.complaints == []


def test_program_that_starts_again_in_mid_answer_is_found_again(
    browser: Browser, served: PageServer, chat: FakeChat
) -> None:
    chat.script = [delta("begin"), PAUSE]
    window = Watched(browser, served.url)
    page = window.open()
    window.send("Hello")
    expect(page.locator("article.streaming .tail")).to_have_text("begin")
    chat.outage = 503
    with page.expect_console_message(lambda line: "component_server" in line.location["url"]):
        chat.cuts_streams = True
        expect(page.locator("article.last")).to_contain_text("Reconnecting…")
    written = next(view for view in chat.messages.values() if view["state"] == "streaming")
    written.update({"html": "<p>begin</p>", "state": "stopped", "generation_id": None})
    chat.outage = 0
    expect(page.locator("article.last .stopped-note")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    window.close()
    assert all("503" in line for line in window.complaints)


def test_refused_calls_are_told_in_words(browser: Browser, served: PageServer, chat: FakeChat) -> None:
    window = Watched(browser, served.url)
    page = window.open()
    for status, words in ((500, "does not answer"), (503, "is starting"), (401, "You are signed out")):
        chat.outage = status
        window.send("Precious words")
        expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(1)
        expect(message_field(page)).to_have_value("Precious words")
        # Nor does the page's own next look at the program say it a second time.
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        time.sleep(0.3)
        expect(page.get_by_text(words)).to_have_count(1)
    chat.outage = 413
    put(page, r"'\u0001'.repeat(900_000)")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="too large to send")).to_be_visible()
    chat.outage = 401
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/login")
    window.close()
    assert not [line for line in window.complaints if "Failed to load resource" not in line]


def test_very_long_texts_are_kept_and_the_limit_is_told(window: Watched, chat: FakeChat) -> None:
    chat.add("Other", "a", "<p>b</p>")
    page = window.open()
    page.evaluate("""() => {
        for (let size = 4_000_000; size >= 1; size /= 2) {
            try { sessionStorage.setItem("filler" + size, "x".repeat(size)); } catch { }
        }
    }""")
    put(page, "'long '.repeat(200_001)")
    message_field(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The message has 1,000,005 characters; 1,000,000 is the limit.")
    page.get_by_role("button", name="Other", exact=True).click()
    expect(message_field(page)).to_have_value("")
    page.get_by_role("button", name="New chat").click()
    assert message_field(page).evaluate("field => field.value.length") == 1_000_005
    put(page, "'long '.repeat(200_000)")
    chat.refuse("chat_send", "The disk is full.")
    message_field(page).press("Enter")
    expect(page.get_by_role("alert").filter(has_text="disk is full")).to_be_visible()
    assert message_field(page).evaluate("field => field.value.length") == 1_000_000


def test_conversations_are_kept_in_folders(window: Watched, chat: FakeChat) -> None:
    chat.add("Letter", "a", "<p>b</p>")
    chat.add("Tale", "a", "<p>b</p>")
    page = window.open()
    row = page.locator(".conversation", has_text="Letter")
    row.hover()
    row.get_by_role("button", name="Move Letter").click()
    page.get_by_role("combobox", name="Folder").fill("Work/Letters")
    page.keyboard.press("Enter")
    expect(page.locator(".group")).to_have_text(["Today", "Work / Letters"])
    page.get_by_role("button", name="Work / Letters", exact=True).click()
    expect(page.locator(".conversation")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("button", name="Work / Letters", exact=True)).to_have_attribute("aria-expanded", "false")
    page.locator(".group.folder").hover()
    page.get_by_role("button", name="Rename folder Work/Letters").click()
    page.get_by_role("combobox", name="Folder").fill("")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.locator(".group")).to_have_text(["Today"])
    expect(page.locator(".conversation")).to_have_count(2)


def test_on_a_touch_screen_a_row_opens_a_list_of_what_can_be_done(
    browser: Browser, served: PageServer, chat: FakeChat
) -> None:
    chat.add("Letter", "a", "<p>b</p>")
    window = Watched(browser, served.url, 390, 844)
    page = window.open()
    page.get_by_role("button", name="Conversations", exact=True).click()
    more = page.get_by_role("button", name="What to do with Letter")
    expect(page.get_by_role("button", name="Delete Letter")).to_be_hidden()
    more.click()
    sheet = page.get_by_role("dialog", name="Letter")
    expect(sheet.get_by_role("button")).to_have_text(["×", "Rename", "Move to a folder", "Save as a file", "Delete"])
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    sheet.get_by_role("button", name="Rename").click()
    page.get_by_label("New title").fill("Card")
    page.keyboard.press("Enter")
    expect(page.locator(".conversation .title")).to_have_text("Card")
    page.get_by_role("button", name="What to do with Card").click()
    page.get_by_role("dialog", name="Card").get_by_role("button", name="Delete").click()
    expect(page.locator(".conversation")).to_have_count(0)
    window.close()


def test_refreshes_leave_a_rename_and_the_focus_alone(window: Watched, chat: FakeChat) -> None:
    first = chat.add("First", "a", "<p>b</p>")
    chat.add("Second", "a", "<p>b</p>", updated=0)
    page = window.open()
    rows = page.locator(".conversation")
    rows.first.hover()
    page.get_by_role("button", name="Rename First").click()
    page.keyboard.type("Half a na")
    chat.add("Third", "a", "<p>b</p>")
    come_back(page)
    expect(rows).to_have_count(3)
    expect(page.get_by_label("New title")).to_have_value("Half a na")
    page.keyboard.type("me")
    expect(page.get_by_label("New title")).to_have_value("Half a name")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Rename Half a name")).to_be_focused()
    assert [values["title"] for name, values in chat.calls if name == "chat_rename"] == ["Half a name"]
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("""async () => {
        const rows = [...document.querySelectorAll(".conversation")];
        window.dispatchEvent(new Event("focus"));
        await new Promise((done) => setTimeout(done, 500));
        return rows.every((row, place) => row === document.querySelectorAll(".conversation")[place]);
    }""")
    chat.conversations[first]["title"] = "Named elsewhere"
    come_back(page)
    expect(page.get_by_role("button", name="Delete Named elsewhere")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("button", name="Second", exact=True)).to_be_focused()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("article")).to_have_count(2)
    expect(message_field(page)).to_be_focused()


def test_escape_from_an_edit_leads_back_to_its_button(window: Watched, chat: FakeChat) -> None:
    page = window.open(f"/?c={chat.add('Old', 'question', '<p>answer</p>')}")
    page.locator("article.user").hover()
    page.get_by_role("button", name="Edit", exact=True).click()
    field = page.get_by_label("New text")
    assert field.evaluate("field => parseFloat(getComputedStyle(field).outlineOffset)") < 0
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()


def test_what_is_typed_while_a_conversation_opens_stays(
    window: Watched, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, may_open = chat.chat_open, threading.Event()

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        may_open.wait(60)
        return opened(values)

    monkeypatch.setattr(chat, "chat_open", slow)
    page = window.page
    page.goto(f"{window.url}/?c={chat.add('Old', 'question', '<p>answer</p>')}")
    message_field(page).fill("and then")
    may_open.set()
    expect(page.locator(".markup p")).to_have_text("answer")
    expect(message_field(page)).to_have_value("and then")
    page.reload()
    expect(message_field(page)).to_have_value("and then")


def test_the_focus_stays_with_what_was_begun_while_the_page_loads(
    window: Watched, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, may_list = chat.hub.download_list, threading.Event()
    chat.hub.downloads = [download()]

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        may_list.wait(60)
        return listed(values)

    monkeypatch.setattr(chat.hub, "download_list", slow)
    page = window.open()
    search = page.get_by_label("Search conversations")
    search.press_sequentially("On")
    expect(page.locator(".welcome")).to_be_visible()
    may_list.set()
    # The last thing that the page waits for before it takes the focus.
    expect(page.locator(".download-sign")).to_be_visible()
    expect(search).to_be_focused()
    page.reload()
    expect(message_field(page)).to_be_focused()


def test_a_list_that_comes_late_is_not_shown(window: Watched, chat: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.add("Old", "a", "<p>b</p>")
    page = window.open()
    expect(page.locator(".conversation")).to_have_count(1)
    listed, may_list = chat.chat_list, threading.Event()
    asked: list[dict[str, Any]] = []

    def slow_at_first(values: dict[str, Any]) -> dict[str, Any]:
        answer = listed(values)
        asked.append(values)
        if len(asked) == 1:
            may_list.wait(60)
        return answer

    monkeypatch.setattr(chat, "chat_list", slow_at_first)
    come_back(page)
    wait_until(lambda: len(asked) == 1)
    chat.add("New", "a", "<p>b</p>")
    come_back(page)
    expect(page.locator(".conversation")).to_have_count(2)
    may_list.set()
    page.wait_for_timeout(300)
    expect(page.locator(".conversation")).to_have_count(2)


def test_a_tool_stays_chosen_when_the_list_of_tools_comes_late(
    window: Watched, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.tools = [{"id": "clock", "title": "Clock", "description": ""}]
    page = window.open(f"/?c={chat.add('Old', 'question', '<p>answer</p>')}")
    button = page.get_by_role("button", name="Tools")
    expect(button).to_be_visible()
    listed, may_list = chat.chat_tools, threading.Event()

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        answer = listed(values)
        may_list.wait(60)
        return answer

    monkeypatch.setattr(chat, "chat_tools", slow)
    button.click()
    choice = page.get_by_role("checkbox", name="Clock")
    choice.click()
    wait_until(lambda: chat.chosen_tools == ["clock"])
    may_list.set()
    page.wait_for_timeout(300)
    expect(choice).to_be_checked()


def test_words_run_their_own_way(window: Watched, chat: FakeChat) -> None:
    html = render_message("مرحبا بالعالم\n\n- واحد\n\n`code`")
    page = window.open(f"/?c={chat.add('שלום עולם', 'שלום עולם', html)}")
    message_field(page).fill("مرحبا")
    for place in (".user .body", ".markup p", ".markup ul", ".conversation .title", ".field"):
        expect(page.locator(place).first).to_have_css("direction", "rtl")
    expect(page.locator(".markup code")).to_have_css("direction", "ltr")


def test_a_search_ends_with_escape_a_new_chat_and_a_message(window: Watched, chat: FakeChat) -> None:
    for title in ("One", "Two"):
        chat.add(title, "a", "<p>b</p>")
    page = window.open()
    search = page.get_by_label("Search conversations")
    rows = page.locator(".conversation")
    assert search.get_attribute("maxlength") == "500"
    endings = (
        lambda: search.press("Escape"),
        lambda: page.keyboard.press("Control+Shift+O"),
        lambda: page.get_by_role("button", name="New chat").click(),
        lambda: window.send("Hello"),
    )
    for end in endings:
        search.fill("One")
        expect(rows).to_have_count(1)
        end()
        expect(search).to_have_value("")
        expect(search).not_to_be_focused()
        expect(page.get_by_role("button", name="Two", exact=True)).to_be_visible()
    expect(rows).to_have_count(3)


def test_enter_while_a_reply_is_written_is_answered_once(window: Watched, chat: FakeChat) -> None:
    chat.script = [delta("begin"), PAUSE]
    page = window.open()
    window.send("Hello")
    expect(page.locator("article.streaming .tail")).to_have_text("begin")
    window.send("More")
    hint = page.get_by_text("Wait for the reply, or press Esc to stop it.")
    expect(hint).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    message_field(page).press("Enter")
    expect(hint).to_have_count(0)
    expect(message_field(page)).to_have_value("More")


def test_what_another_tab_wrote_appears(window: Watched, chat: FakeChat) -> None:
    opened = chat.add("Shared", "a", "<p>b</p>")
    page = window.open(f"/?c={opened}")
    expect(page.locator("article")).to_have_count(2)
    chat.add_turn(opened, "from the other tab", "<p>its answer</p>")
    expect(page.locator("article")).to_have_count(4)
    expect(page.locator("article").last).to_contain_text("its answer")


def test_reply_without_a_model_leads_to_the_picker(window: Watched, chat: FakeChat) -> None:
    opened = chat.add("Old", "a", "", state="failed", error="No model is loaded.", model="")
    page = window.open(f"/?c={opened}")
    page.get_by_role("button", name="Choose a model").click()
    expect(page.locator(".model-panel")).to_be_visible()
    chat.messages[chat.conversations[opened]["path"][-1]]["model"] = "small"
    page.reload()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a model")).to_have_count(0)


def test_fingers_find_everything_on_a_phone(browser: Browser, served: PageServer, chat: FakeChat) -> None:
    row = "|" + " some words that make a column |" * 5 + "\n"
    old = chat.add("Old", "question", render_message(row + "|---" * 5 + "|\n" + row))
    chat.library.models = [model(title="A model with a long name Instruct Q8")]
    window = Watched(browser, served.url, 390, 844)
    page = window.open(f"/?c={old}")
    assert page.locator(".markup .table").evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.locator("td").first.evaluate("cell => cell.offsetWidth") > 150
    page.get_by_role("button", name="Conversations", exact=True).click()
    more = page.get_by_role("button", name="What to do with Old")
    expect(more).to_be_visible()
    for button in page.locator(".icon-button:visible").all():
        box = button.bounding_box()
        assert box
        assert round(min(box["width"], box["height"]), 2) >= 40
    more.click()
    page.get_by_role("button", name="Rename", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Old", exact=True)).to_be_focused()
    expect(page.locator(".sidebar")).to_be_visible()
    page.get_by_label("Search conversations").fill("nothing")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Search conversations")).to_have_value("")
    expect(page.locator(".sidebar")).to_be_hidden()
    window.close()
    assert window.complaints == []
