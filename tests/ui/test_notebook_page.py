"""The Notebook in a real browser against documents in memory: writing, keeping, choosing, comparing."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Watched
from tests.ui.fake_chat import FakeChat, PageServer
from tests.ui.fake_notebook import PAUSE, FakeNotebook

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


def wait_until(claim: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_typed_becomes_a_document_and_is_saved(window: Watched, notebook: FakeNotebook) -> None:
    page = open_notebook(window)
    field(page).press_sequentially("A story")
    wait_until(lambda: bool(notebook.documents))
    document = notebook.documents["d1"]
    field(page).press_sequentially(" begins")
    wait_until(lambda: notebook.text(document) == "A story begins")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?view=notebook&document=d1"))
    expect(page.locator(".document .title")).to_have_text("A story")
