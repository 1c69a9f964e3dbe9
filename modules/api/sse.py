"""Server-sent events: a stream that notices at once when its reader has gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEP_ALIVE_SECONDS = 10.0
KEEP_ALIVE = b": still here\n\n"
DONE = b"data: [DONE]\n\n"
STALLED_READER_SECONDS = 60.0
# Moving the deadline costs more than sending a token does.
DEADLINE_STEP_SECONDS = 5.0


def frame(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


class DisconnectWatch:
    """Calls `action` when the client leaves, from the moment its request was read, also before the first byte."""

    def __init__(self, request: Request, action: Callable[[], None]) -> None:
        self._task = asyncio.create_task(self._wait(request.receive, action))

    def end(self) -> None:
        self._task.cancel()

    async def _wait(self, receive: Receive, action: Callable[[], None]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        action()


class EventStream(Response):
    """Sends the frames as they come. A reader that takes nothing for a minute is given up."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[bytes], watch: DisconnectWatch | None = None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = self._watch
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            now = asyncio.get_running_loop().time
            moved = now()
            # Frames come at least as often as keep-alives, so a deadline that passes means a reader who takes none.
            async with asyncio.timeout(STALLED_READER_SECONDS) as patience:
                async for content in self._frames:
                    await send({"type": "http.response.body", "body": content, "more_body": True})
                    if now() > moved + DEADLINE_STEP_SECONDS:
                        moved = now()
                        patience.reschedule(moved + STALLED_READER_SECONDS)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if watch is not None:
                watch.end()
