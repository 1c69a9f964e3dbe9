"""The page in a real browser, and what it talks to instead of the program."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import Watched
from tests.ui.fake_chat import FakeChat, PageServer, running_page


@pytest.fixture(scope="module")
def served() -> Iterator[PageServer]:
    with running_page() as served:
        yield served


@pytest.fixture
def chat(served: PageServer) -> Iterator[FakeChat]:
    served.chat = FakeChat()
    yield served.chat
    served.chat.accepts_sends.set()
    served.chat.go_on.set()
    served.chat.notebook.go_on.set()


@pytest.fixture
def window(browser: Browser, served: PageServer, chat: FakeChat) -> Iterator[Watched]:
    window = Watched(browser, served.url)
    yield window
    window.close()
    assert window.complaints == []
