"""Files that come as the bytes of a body, written as they arrive."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from modules.errors import Cancelled

WRITTEN_BYTES = 1024 * 1024
Kept_co = TypeVar("Kept_co", covariant=True)


class Staged(Protocol[Kept_co]):
    """What is not published when it is closed leaves nothing behind."""

    def write(self, content: bytes) -> None: ...

    def publish(self) -> Kept_co: ...

    def close(self) -> None: ...


async def received(stage: Callable[[], Staged[Kept_co]], request: Request) -> Kept_co:
    """In pieces and on threads, so that others are served meanwhile."""
    staged = await run_in_threadpool(stage)
    waiting = bytearray()
    try:
        async for piece in request.stream():
            waiting += piece
            if len(waiting) >= WRITTEN_BYTES:
                await run_in_threadpool(staged.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(staged.write, bytes(waiting))
        return await run_in_threadpool(staged.publish)
    except ClientDisconnect as error:
        raise Cancelled("The upload ended before the file was whole.") from error
    finally:
        await run_in_threadpool(staged.close)
