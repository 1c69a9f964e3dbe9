"""The window in which a module's own `program` is used."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import Watched
from tests.program import RunningProgram


@pytest.fixture
def window(browser: Browser, program: RunningProgram) -> Iterator[Watched]:
    window = Watched(browser, program.url)
    yield window
    window.close()
    assert window.complaints == []
