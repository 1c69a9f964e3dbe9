"""uvicorn's HTTP/1.1 with an end to its patience: headers that do not arrive in time close the connection."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from modules.limits import LIMITS


class PatientProtocol(H11Protocol):
    """A connection between requests is uvicorn's own affair; one that has begun a request must finish its headers."""

    header_seconds = LIMITS.header_seconds
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._set_alarm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_alarm()
        elif self._alarm is None:
            self._set_alarm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_alarm()
        super().connection_lost(exc)

    def _set_alarm(self) -> None:
        self._alarm = self.loop.call_later(self.header_seconds, self.transport.close)

    def _end_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
