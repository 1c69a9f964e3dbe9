"""The Notebook as a person uses it, in a real browser, with the real model and with a scripted one."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched
from tests.conftest import starter_running
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SLOW_SCRIPT = [{"text": f"word{number} ", "delay_ms": 40} for number in range(1000)]


def open_notebook(window: Watched, path: str = "?view=notebook") -> Page:
    window.page.goto(f"{window.url}/{path}")
    window.page.get_by_label("Text", exact=True).wait_for()
    return window.page


def test_a_story_with_the_real_model(browser: Browser, tmp_path: Path, starter_file: Path) -> None:
    with starter_running(tmp_path, starter_file, "--context-length", "512") as program:
        window = Watched(browser, program.url)
        page = open_notebook(window)
        field = page.get_by_label("Text", exact=True)
        field.fill("\U0001f600 Once upon a time, in a village by the sea, there lived")
        field.press("Control+Enter")
        expect(field).to_have_value(re.compile("there lived.{30}", re.DOTALL))
        field.press("Escape")
        expect(page.get_by_role("button", name="Continue", exact=True, disabled=False)).to_be_visible()
        written = field.input_value()
        expect(page.locator(".document .title")).to_have_text(
            re.compile("^\U0001f600 Once upon a time, in a village by the sea")
        )
        expect(page.locator(".notebook-counts")).to_have_text(re.compile(r"^\d+ of 512 tokens"))
        page.get_by_role("button", name="Tokens", exact=True).click()
        tokens = page.locator(".token-text .token")
        assert "".join(tokens.all_text_contents()) == written.split("there lived")[1]
        tokens.nth(2).click()
        choices = page.get_by_role("dialog", name="What could stand here")
        chosen = choices.locator("button:enabled").nth(1)
        kept = written.split("there lived")[0] + "there lived" + "".join(tokens.all_text_contents()[:2])
        chosen.click()
        # It may be done with it in no time.
        expect(page.locator(".token-text")).not_to_have_text(written)
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Continue", exact=True, disabled=False)).to_be_visible()
        page.get_by_role("button", name="Text", exact=True).click()
        other = field.input_value()
        assert other.startswith(kept)
        assert other != written
        page.get_by_role("button", name="Branches, versions and memory").click()
        expect(page.locator(".branch.beside")).to_have_count(1)
        field.evaluate("field => { field.focus(); field.setSelectionRange(0, 7); }")
        page.get_by_role("button", name="Token ids").click()
        expect(page.locator(".token-table tbody tr").first).to_be_visible()
        page.get_by_role("button", name="Close", exact=True).click()
        field.press("Control+z")
        expect(field).to_have_value(written)
        field.press("Control+z")
        expect(field).to_have_value("\U0001f600 Once upon a time, in a village by the sea, there lived")
        page.reload()
        expect(field).to_have_value("\U0001f600 Once upon a time, in a village by the sea, there lived")
        window.close()
        assert window.complaints == []


def test_nothing_is_lost_when_the_program_is_killed_and_starts_again(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SLOW_SCRIPT))
    arguments = ("--model", "echo", "--echo-script", str(script), "--admin-key", "test-admin")
    with RunningProgram(tmp_path, *arguments) as program:
        program.wait_until_loaded()
        port = str(program.port)
        window = Watched(browser, program.url)
        page = open_notebook(window)
        field = page.get_by_label("Text", exact=True)
        field.fill("Begin ")
        field.press("Control+Enter")
        expect(field).to_have_value(re.compile("word30 "), timeout=60_000)
        program.kill()
    with RunningProgram(tmp_path, *arguments, "--port", port) as program:
        program.wait_until_loaded()
        expect(page.get_by_role("button", name="Continue", exact=True, disabled=False)).to_be_visible(timeout=60_000)
        expect(field).to_have_value(re.compile(r"^Begin word0 .*word1\d ", re.DOTALL))
        field.press_sequentially("and on")
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        page.reload()
        expect(field).to_have_value(re.compile("and on$"))
        window.close()


def test_documents_and_conversations_are_saved_as_files(browser: Browser, tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--model", "echo", "--admin-key", "test-admin") as program:
        program.wait_until_loaded()
        window = Watched(browser, program.url)
        page = open_notebook(window)
        page.get_by_label("Text", exact=True).fill("# The mill\n\nIt **turns**.")
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        page.get_by_role("button", name="More", exact=True).click()
        for words, ending in (("Text", "txt"), ("Markdown", "md"), ("HTML", "html"), ("Word (docx)", "docx")):
            with page.expect_download() as download:
                page.get_by_role("link", name=words, exact=True).click()
            assert download.value.suggested_filename.endswith(f".{ending}")
            assert (b"PK" if ending == "docx" else b"turns") in Path(download.value.path()).read_bytes()
            page.get_by_role("button", name="More", exact=True).click()
        window.open()
        window.ask("hello there")
        page.get_by_role("button", name="hello there", exact=True).hover()
        page.get_by_role("button", name="Save hello there as a file").click()
        with page.expect_download() as download:
            page.get_by_role("dialog").get_by_role("link", name="Markdown", exact=True).click()
        assert "hello there" in Path(download.value.path()).read_text()
        window.close()
        assert window.complaints == []
