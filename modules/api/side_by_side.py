"""Several replies to one prompt as one answer, whole or streamed."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from modules.api.errors import error_object, raise_if_failed, status_of
from modules.api.sse import DONE, KEEP_ALIVE, KEEP_ALIVE_SECONDS, DisconnectWatch, EventStream, frame
from modules.engines.generation import Generation
from modules.types.generation import Failed, TextDelta


async def side_by_side(request: Request, replies: Mapping[str, Generation], *, stream: bool) -> Response:
    """Texts by the names of the replies; streamed, pieces of them as they come. A client that leaves stops them all."""

    def stop() -> None:
        for reply in replies.values():
            reply.cancel()

    watch = DisconnectWatch(request, stop)
    if stream:
        return EventStream(frames(replies), watch)
    try:
        for reply in replies.values():
            async for _ in reply.batches():
                pass
    finally:
        watch.end()
    for reply in replies.values():
        raise_if_failed(reply.end)
    return JSONResponse({name: reply.text for name, reply in replies.items()})


async def frames(replies: Mapping[str, Generation]) -> AsyncIterator[bytes]:
    """An error is an error frame, and no [DONE] follows it."""
    told: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def tell(name: str, reply: Generation) -> None:
        async for events in reply.batches(KEEP_ALIVE_SECONDS):
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            await told.put(frame({name: text}) if text else KEEP_ALIVE)
        await told.put(None)

    tasks = [asyncio.create_task(tell(name, reply)) for name, reply in replies.items()]
    at_work = len(tasks)
    try:
        while at_work:
            content = await told.get()
            if content is None:
                at_work -= 1
            else:
                yield content
    finally:
        for task in tasks:
            task.cancel()
    for reply in replies.values():
        if isinstance(reply.end, Failed):
            error = reply.end.error()
            yield frame(error_object(reply.end.message, max(status_of(error), 500), reply.end.field, error.code))
            return
    yield DONE
