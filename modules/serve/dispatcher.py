"""Decides by path who answers: the health check, the API, the page, or the start-up screen until they are there."""

import asyncio
import json

from modules.front.asgi import AsgiApp, Message, Receive, Scope, Send, error_body, header, send_whole
from modules.front.screens import MISSING, SPLASH

API_PREFIXES = ("/v1/", "/control/", "/ext/", "/ui/", "/parlor-assets/")
START_PATIENCE_SECONDS = 60.0
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
FRESH = ((b"cache-control", b"no-store"),)


class Dispatcher:
    """An ASGI app that answers from its first moment; `serve_api` and `serve_page` are called when those are built."""

    def __init__(self) -> None:
        self._api: AsgiApp | None = None
        self._page: AsgiApp | None = None
        self._api_is_there = asyncio.Event()
        self._ready = False

    def serve_api(self, api: AsgiApp) -> None:
        self._api = api
        self._api_is_there.set()

    def serve_page(self, page: AsgiApp) -> None:
        self._page = page

    def declare_ready(self) -> None:
        """From now on /health says that nothing is pending any more."""
        self._ready = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] == "http" and path == "/health":
            content = json.dumps({"status": "ok", "ui": "ready" if self._ready else "starting"}).encode()
            await send_whole(send, 200, content, JSON, FRESH)
        elif path.startswith(API_PREFIXES):
            await self._answer_by_api(scope, receive, send)
        elif self._page is not None:
            await self._page(scope, receive, with_missing_screen(scope, send))
        elif self._ready:
            content = error_body("There is no page: Parlor was started with --no-ui.", 404, None)
            await send_whole(send, 404, content, JSON, FRESH)
        elif scope["type"] == "http" and path == "/":
            await send_whole(send, 200, SPLASH, HTML, FRESH)
        else:
            content = error_body("Parlor is starting; try again in a moment.", 503, None)
            await send_whole(send, 503, content, JSON, FRESH)

    async def _answer_by_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request that comes in the first second waits for the API instead of failing."""
        async with asyncio.timeout(START_PATIENCE_SECONDS):
            await self._api_is_there.wait()
        assert self._api is not None
        await self._api(scope, receive, send)


def with_missing_screen(scope: Scope, send: Send) -> Send:
    """Where a person's browser asks for an address that is not there, a way back instead of the page's own answer."""
    if scope["type"] != "http" or "text/html" not in header(scope, b"accept"):
        return send
    missing = False

    async def replaced(message: Message) -> None:
        nonlocal missing
        if message["type"] == "http.response.start" and message["status"] == 404:
            missing = True
            await send_whole(send, 404, MISSING, HTML, FRESH)
        elif not missing:
            await send(message)

    return replaced
