"""The one fetcher: every request to another machine, but for the model hub's own, is made here and bounded.

A name is resolved once, every address it has is checked, and the connection goes to a checked one; Host and the name
in the certificate stay. Nothing is taken from the environment: no proxies, no passwords.
"""

import ssl
import time
import zlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Event as Flag

import httpcore

from modules.errors import FetchError
from modules.outbound.network import CheckedNetwork, Patience
from modules.outbound.targets import Target, is_public, redirect, system_addresses, target_of

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Never sent on to another origin.
PERSONAL = frozenset({"authorization", "cookie", "x-api-key"})
CHUNK_BYTES = 64 * 1024

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True)
class FetchLimits:
    """Times in seconds; `read_seconds` is the longest silence. `body_bytes` as sent, `decoded_bytes` unpacked."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    body_bytes: int = 2 * 1024 * 1024
    decoded_bytes: int = 8 * 1024 * 1024
    redirects: int = 0


@dataclass(frozen=True)
class Fetched:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer whose body is read as it comes; `chunks` may be read once, and is unpacked and bounded."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Fetcher:
    """Asks public addresses, and private ones at exactly the origins in `allowed`. Any thread may call.

    Every request has a connection of its own, which is closed at its end, so that a server sees a reader leave.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        allowed: Collection[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self._limits = limits
        self._allowed = frozenset(target_of(url).origin for url in allowed)
        self._resolve = resolve or system_addresses

    def fetch(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Fetched:
        """The whole answer, whatever its status. Follows as many redirects of a GET as the limits say.

        Raises FetchError for what must not be asked, cannot be reached, or is more than the limits allow.
        """
        patience = self._patience(Flag())
        target, left = target_of(url), self._limits.redirects
        kept = dict(headers or {})
        while True:
            with self._ask(method, target, kept, body, patience) as answer:
                if answer.status not in REDIRECTS:
                    return Fetched(answer.status, answer.headers, b"".join(answer.chunks))
                following = redirect(target, answer.headers.get("location", ""), left if method == "GET" else 0)
            if following.origin != target.origin:
                kept = {name: value for name, value in kept.items() if name.lower() not in PERSONAL}
            target, left = following, left - 1

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        cancelled: Flag | None = None,
    ) -> Generator[Answer]:
        """An answer that is read while it comes; redirects are refused. Raises as `fetch` does.

        Once `cancelled` is set, whoever reads gets Cancelled and the connection is closed.
        """
        target, patience = target_of(url), self._patience(cancelled or Flag())
        with self._ask(method, target, headers or {}, body, patience) as answer:
            if answer.status in REDIRECTS:
                redirect(target, answer.headers.get("location", ""), 0)
            yield answer

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Takes a while to make, and only https needs it."""
        return httpcore.default_ssl_context()

    @contextmanager
    def _ask(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes, patience: Patience
    ) -> Generator[Answer]:
        addresses = self._checked_addresses(target)
        network = CheckedNetwork(addresses, patience)
        limits = self._limits
        timeout = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
        sent = {"Host": target.authority, "Accept-Encoding": "gzip", "Connection": "close", **headers}
        try:
            with (
                httpcore.ConnectionPool(
                    self._tls if target.scheme == "https" else None, network_backend=network
                ) as pool,
                pool.stream(
                    method,
                    httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
                    headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()],
                    content=body,
                    extensions={"timeout": timeout},
                ) as response,
            ):
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                encoding = found.get("content-encoding", "")
                yield Answer(response.status, found, bounded(response.iter_stream(), encoding, limits))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            raise FetchError(f"{target.origin} {reason_of(error)}.") from error

    def _patience(self, cancelled: Flag) -> Patience:
        return Patience(time.monotonic() + self._limits.total_seconds, cancelled)

    def _checked_addresses(self, target: Target) -> list[str]:
        """The same sentence for every private place, whether something listens there or not."""
        try:
            addresses = self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"There is no address for {target.host[:200]}.") from error
        if not addresses:
            raise FetchError(f"There is no address for {target.host[:200]}.")
        if target.origin not in self._allowed and not all(is_public(address) for address in addresses):
            raise FetchError(f"{target.host[:200]} is on this machine or in a private network, and is not asked.")
        return addresses


def bounded(chunks: Iterable[bytes], encoding: str, limits: FetchLimits) -> Iterator[bytes]:
    """The body, unpacked; raises FetchError where it grows beyond the limits."""
    if encoding not in {"", "identity", "gzip"}:
        raise FetchError(f"The answer is packed in a way that is not understood: {encoding[:40]!r}.")
    unpacked = unzipped(chunks_within(chunks, limits.body_bytes)) if encoding == "gzip" else chunks
    yield from chunks_within(unpacked, limits.decoded_bytes if encoding == "gzip" else limits.body_bytes)


def chunks_within(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > most:
            raise FetchError(f"The answer is larger than {most:,} bytes.")
        yield chunk


def unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """In pieces of CHUNK_BYTES at most, so that a bomb is noticed before it has grown."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield unpacker.decompress(rest, CHUNK_BYTES)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise FetchError("The answer is packed wrongly.") from error


def reason_of(error: Exception) -> str:
    """What went wrong, as the end of a sentence that began with the address."""
    cause = error.__cause__
    if isinstance(error, httpcore.ConnectTimeout):
        return "cannot be reached: it does not answer"
    if isinstance(error, httpcore.TimeoutException):
        return "did not answer in time"
    if isinstance(error, ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return "cannot be trusted: its certificate or its encryption is not in order"
    if isinstance(error, httpcore.ConnectError):
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no connection"
        return f"cannot be reached: {reason.lower()}"
    if isinstance(error, httpcore.NetworkError):
        return "broke the connection"
    return "did not answer as a web server does"
