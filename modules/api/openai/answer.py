"""A generation as an HTTP answer, whole or streamed; what differs by route is its `Wire`."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from modules.api.errors import error_object, raise_if_failed, status_of
from modules.api.openai.shapes import usage_shape
from modules.api.sse import DONE, KEEP_ALIVE, KEEP_ALIVE_SECONDS, DisconnectWatch, EventStream, frame
from modules.engines.generation import Generation
from modules.types.generation import Event, Failed, Finished

Chunk = dict[str, Any]


class Wire(Protocol):
    """One route's shapes."""

    def whole(self, generation: Generation, end: Finished) -> Chunk: ...

    def opening(self) -> list[Chunk]: ...

    def chunks(self, event: Event) -> list[Chunk]: ...

    def usage_chunk(self, usage: Chunk) -> Chunk: ...


async def answer(
    request: Request, generation: Generation, wire: Wire, *, stream: bool, include_usage: bool
) -> Response:
    """Errors before the first token become a status; a client that leaves cancels its request in every state."""
    if not stream:
        return JSONResponse(wire.whole(generation, await end_of(request, generation)))
    watch = DisconnectWatch(request, generation.cancel)
    try:
        await generation.started()
        raise_if_failed(generation.end)
    except BaseException:
        watch.end()
        raise
    return EventStream(frames(generation, wire, include_usage=include_usage), watch)


async def end_of(request: Request, generation: Generation) -> Finished:
    """Once it is there; a failure is raised. A client that leaves cancels its request."""
    watch = DisconnectWatch(request, generation.cancel)
    try:
        async for _ in generation.batches():
            pass
    finally:
        watch.end()
    end = generation.end
    raise_if_failed(end)
    assert isinstance(end, Finished)
    return end


async def frames(generation: Generation, wire: Wire, *, include_usage: bool) -> AsyncIterator[bytes]:
    """An error after the first token is an error frame, and no [DONE]: it must not look like success."""
    yield b"".join(frame(chunk) for chunk in wire.opening())
    async for events in generation.batches(KEEP_ALIVE_SECONDS):
        content = b"".join(frame(chunk) for event in events for chunk in wire.chunks(event))
        if content or not events:
            yield content or KEEP_ALIVE
    end = generation.end
    if isinstance(end, Failed):
        error = end.error()
        yield frame(error_object(end.message, max(status_of(error), 500), end.field, error.code))
        return
    assert end is not None
    if include_usage:
        yield frame(wire.usage_chunk(usage_shape(end.usage)))
    yield DONE
