"""Who answers an address."""

import asyncio

import httpx
import pytest

from modules.front.asgi import Receive, Scope, Send, send_whole
from modules.serve.dispatcher import JSON, Dispatcher


async def page(scope: Scope, _receive: Receive, send: Send) -> None:
    """There is one page, at the root, as in Gradio."""
    if scope["path"] == "/":
        await send_whole(send, 200, b"the page", b"text/html")
    else:
        await send_whole(send, 404, b'{"detail":"Not Found"}', JSON)


@pytest.mark.parametrize(
    ("path", "accept", "status", "words"),
    [
        ("/", "text/html,*/*;q=0.8", 200, "the page"),
        ("/docs", "text/html,*/*;q=0.8", 404, 'href="/">Open Parlor'),
        ("/static/lost.js", "*/*", 404, '{"detail":"Not Found"}'),
    ],
)
def test_a_wrong_address_shows_the_way_back(path: str, accept: str, status: int, words: str) -> None:
    dispatcher = Dispatcher()
    dispatcher.serve_page(page)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(dispatcher)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://parlor") as client:
            return await client.get(path, headers={"accept": accept})

    answer = asyncio.run(ask())
    assert answer.status_code == status
    assert words in answer.text
