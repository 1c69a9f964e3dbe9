"""A real Chromium that reports what a page should never do: errors, and requests to other hosts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as WaitedTooLong

from modules.bootstrap import find_browser

# Shared machines are slow at times; what must be fast is measured in the benchmarks.
PATIENCE_SECONDS = 20.0
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
RAMBLING_MS = 15_000

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def wait_until(claim: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """For what `expect` cannot see; as there, what a page asks for comes about a while after it was told to."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=QUIET)
        yield browser
        browser.close()


class Watched:
    """A page whose complaints are collected."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, height: int = 800, theme: str = "light") -> None:
        self.url = url
        self.complaints: list[str] = []
        self.forgiven: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,  # type: ignore[arg-type]
            has_touch=width < 500,
        )
        self.page = self.watch(self.context.new_page())

    def watch(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("console", self.note_line)
        page.on("request", lambda request: self.note_request(request.url))
        page.set_default_timeout(15_000)
        return page

    def forgive(self, words: str) -> None:
        """From now on: what the browser says of something that is meant to fail."""
        self.forgiven.append(words)

    def note_line(self, line: ConsoleMessage) -> None:
        if line.type == "error" and not any(words in line.text for words in self.forgiven):
            self.complaints.append(line.text)

    def note_request(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"foreign request: {address}")

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.url + path)
        self.page.get_by_label("Message", exact=True).wait_for()
        return self.page

    def send(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def ask(self, text: str) -> None:
        """Send, and wait until the reply is complete."""
        before = self.page.locator("article.assistant").count()
        self.send(text)
        expect(self.page.locator("article.assistant")).to_have_count(before + 1)
        self.end_reply()

    def end_reply(self) -> None:
        """Until the reply is complete. A small model may ramble for minutes: then it is stopped."""
        with suppress(WaitedTooLong):
            self.page.locator("article.streaming").wait_for(state="detached", timeout=RAMBLING_MS)
            return
        self.page.keyboard.press("Escape")
        self.wait_for_reply()

    def wait_for_reply(self) -> None:
        """Until what is being written is complete."""
        expect(self.page.locator("article.streaming")).to_have_count(0, timeout=60_000)

    def last_reply(self) -> str:
        return self.page.locator("article.assistant .body").last.inner_text()

    def close(self) -> None:
        self.context.close()
