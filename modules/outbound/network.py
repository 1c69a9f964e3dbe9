"""Connections to addresses that were checked, given up when patience ends."""

import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event as Flag

import httpcore

from modules.errors import Cancelled

# How long a cancel may go unnoticed.
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Patience:
    """How long an answer is waited for: until a moment of the monotonic clock, or until nobody wants it any more."""

    deadline: float
    cancelled: Flag

    def left(self, seconds: float | None) -> float:
        """What remains of this many seconds from now; 0 or less when it is over. Raises Cancelled."""
        if self.cancelled.is_set():
            raise Cancelled("Nobody waits for this answer any more.")
        left = self.deadline - time.monotonic()
        return left if seconds is None else min(left, seconds)


@dataclass
class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to the checked addresses, whatever name it is asked for; the first that answers is taken."""

    addresses: list[str]
    patience: Patience
    _tcp: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self.addresses:
            if (left := self.patience.left(timeout)) <= 0:
                break
            try:
                stream = self._tcp.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return BoundedStream(stream, self.patience)
        raise failure


class BoundedStream(httpcore.NetworkStream):
    """A connection that is given up when patience ends, however busy it is, and soon after a cancel."""

    def __init__(self, stream: httpcore.NetworkStream, patience: Patience) -> None:
        self._stream = stream
        self._patience = patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = time.monotonic()
        while (left := self._patience.left(timeout)) > 0 and (timeout is None or time.monotonic() - began < timeout):
            try:
                return self._stream.read(max_bytes, min(left, POLL_SECONDS))
            except httpcore.ReadTimeout:
                continue
        raise httpcore.ReadTimeout("silent for too long")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._patience.left(timeout)
        if left <= 0:
            raise httpcore.WriteTimeout("it took too long")
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return BoundedStream(stream, self._patience)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
