"""From a search to a chat, as a new user does it: in a real browser, on a model hub that a test plays."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched
from tests.hub.fake_hub import FakeHub
from tests.program import RunningProgram

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

REPOSITORY = "maker/SmolLM2-135M-Instruct-GGUF"
CARD = b"""---
license: apache-2.0
---
# SmolLM2

<p align="center"><img src="https://pics.example/logo.png" alt="Logo"></p>

A **small** model.
"""
GATED = "maker/Gated-GGUF"


@pytest.fixture
def hub(starter_file: Path) -> Iterator[FakeHub]:
    model = starter_file.read_bytes()
    with FakeHub() as hub:
        hub.add(
            REPOSITORY,
            {
                "README.md": CARD,
                "SmolLM2-135M-Instruct-Q4_1.gguf": model,
                "SmolLM2-135M-Instruct-Q8_0.gguf": model + b"0",
            },
            downloads=1234,
            likes=5,
            pipeline_tag="text-generation",
            tags=["gguf", "license:apache-2.0"],
        )
        hub.add(GATED, {"README.md": CARD, "gated-Q4_0.gguf": model[:2_000_000]}, gated="manual", tags=["gguf"])
        yield hub


def begin(browser: Browser, program: RunningProgram, section: str) -> Watched:
    window = Watched(browser, program.url)
    window.page.goto(f"{program.url}/?view=models&section={section}")
    expect(window.page.get_by_role("tab", selected=True)).to_be_visible()
    return window


def search(page: Page, words: str) -> None:
    page.get_by_role("searchbox", name="Words").fill(words)
    page.get_by_label("Task").select_option("Any task")
    page.get_by_role("button", name="Search", exact=True).click()


def test_found_read_judged_downloaded_interrupted_resumed_loaded(
    browser: Browser, hub: FakeHub, tmp_path: Path
) -> None:
    arguments = ("--hub-endpoint", hub.endpoint, "--admin-key", "test-admin", "--context-length", "512")
    hub.bytes_per_second = 3e6
    with RunningProgram(tmp_path, *arguments) as program:
        window = begin(browser, program, "hub")
        page = window.page
        assert hub.requests == []
        search(page, "smol")
        page.locator(".hub-row", has_text="SmolLM2").click()
        expect(page.locator(".card-text")).to_contain_text("Image: Logo")
        expect(page.locator(".card-text")).not_to_contain_text("license:")
        row = page.locator(".choice", has_text="Q4_1")
        expect(row.locator(".fit")).to_have_text(re.compile("Runs on the CPU|Fits on the GPU"))
        expect(row).to_contain_text(re.compile(r"needs \d+ MB"))
        expect(page.locator(".mark.best:visible")).to_have_count(1)
        page.get_by_role("button", name="Download Q4_1").click()
        page.locator(".download-sign").click()
        expect(page.locator(".download-progress")).to_contain_text(re.compile(r"[1-9]\d* MB of 98 MB"))
        page.get_by_role("button", name="Pause").click()
        expect(page.locator(".download-state")).to_contain_text("Paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".download-state")).to_contain_text("Downloading")
        program.kill()
        window.close()
    hub.bytes_per_second = 0
    with RunningProgram(tmp_path, *arguments) as program:
        window = begin(browser, program, "downloads")
        page = window.page
        expect(page.locator(".download-state")).to_contain_text("Paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".download-state")).to_contain_text("Complete and checked", timeout=60_000)
        assert hub.sent_bytes("SmolLM2-135M-Instruct-Q4_1.gguf") <= 98_362_432 * 1.05
        page.get_by_role("button", name="Load SmolLM2-135M-Instruct-Q4_1").click()
        dialog = page.get_by_role("dialog", name="Load SmolLM2-135M-Instruct-Q4_1")
        expect(dialog.locator(".fit")).to_be_visible()
        dialog.get_by_role("button", name="Load", exact=True).click()
        page.get_by_role("button", name="Talk to it").click()
        expect(page.get_by_role("button", name=re.compile("^Model: SmolLM2.*, loaded"))).to_be_visible(timeout=60_000)
        window.ask("Say hello.")
        assert window.last_reply()
        page.goto(f"{program.url}/?view=models&section=hub")
        search(page, "smol")
        page.locator(".hub-row", has_text="SmolLM2").click()
        expect(page.locator(".choice", has_text="Q4_1").get_by_text("On this machine")).to_be_visible()
        expect(page.get_by_role("button", name="Talk to it Q4_1")).to_be_visible()
        expect(page.get_by_role("button", name="Download Q8_0")).to_be_enabled()
        page.get_by_role("tab", name="On this machine").click()
        page.get_by_role("button", name="Details of SmolLM2-135M-Instruct-Q4_1").click()
        page.get_by_role("button", name="Unload and delete").click()
        expect(page.locator(".no-models")).to_be_visible()
        page.get_by_role("tab", name="Hub").click()
        expect(page.get_by_role("button", name="Download Q4_1")).to_be_enabled()
        assert window.complaints == []
        window.close()


def test_a_gate_opens_with_a_token(browser: Browser, hub: FakeHub, tmp_path: Path) -> None:
    with RunningProgram(tmp_path, "--hub-endpoint", hub.endpoint) as program:
        window = begin(browser, program, "hub")
        page = window.page
        page.get_by_label("A model's name or address").fill(f"{hub.endpoint}/{GATED}")
        page.keyboard.press("Enter")
        expect(page.get_by_role("note")).to_contain_text("Its owner lets people in one by one.")
        page.get_by_role("button", name="Enter a token").click()
        page.get_by_role("textbox", name="Access token").fill("hf_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        page.get_by_role("textbox", name="Access token").fill(hub.token)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("You are someone on 127.0.0.1.")
        page.keyboard.press("Escape")
        expect(page.get_by_role("note")).to_have_count(0)
        expect(page.get_by_role("button", name="Download Q4_0")).to_be_enabled()
        assert window.complaints == []
        window.close()
