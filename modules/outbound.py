"""The one fetcher: every request to another machine, but for the model hub's own, is made here and bounded.

A name is resolved once, every address it has is checked, and the connection goes to a checked one; Host and the name
in the certificate stay. Nothing is taken from the environment: no proxies, no passwords.
"""

import ipaddress
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event as Flag
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from modules.errors import Cancelled, FetchError

SCHEMES = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Never sent on to another origin.
PERSONAL = frozenset({"authorization", "cookie", "x-api-key"})
URL_CHARS = 2000
# How long a cancel may go unnoticed.
POLL_SECONDS = 0.1
CHUNK_BYTES = 64 * 1024

UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Addresses in which others are hidden (Teredo, 6to4), and what a cloud tells its machines at a public address.
REFUSED = tuple(ipaddress.ip_network(text) for text in ("2001::/32", "2002::/16", "168.63.129.16/32", "192.88.99.0/24"))

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
class Target:
    """A URL taken apart once, by the one parser; `host` in ASCII, without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


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


class Fetcher:
    """Asks public addresses, and private ones at exactly the origins in `allowed`. Any thread may call.

    Every request has a connection of its own, which is closed at its end, so that a server sees a reader leave.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        allowed: Collection[str] = (),
        resolve: "Resolve | None" = None,
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


def target_of(url: str) -> Target:
    """Raises FetchError for anything but a plain http or https address."""
    if len(url) > URL_CHARS or re.search(r"[\x00-\x20\x7f\\]", url):
        raise FetchError(f"This is not an address: it is longer than {URL_CHARS:,} characters, or holds strange ones.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise FetchError("This is not an address: its host or port cannot be read.") from error
    if parts.scheme not in SCHEMES:
        raise FetchError("Only addresses that begin with http:// or https:// can be asked.")
    if "@" in parts.netloc:
        raise FetchError("An address must not hold a user name or a password.")
    if port == 0:
        raise FetchError("Port 0 is none; ports go from 1 to 65,535.")
    try:
        ascii_host = host if ":" in host else host.encode("idna").decode("ascii").rstrip(".")
    except UnicodeError as error:
        raise FetchError("This is not an address: its host cannot be read.") from error
    if not ascii_host or "%" in ascii_host:
        raise FetchError("This is not an address: it names no host.")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    return Target(parts.scheme, ascii_host.lower(), port or SCHEMES[parts.scheme], path + query)


def redirect(target: Target, location: str, left: int) -> Target:
    """Where an answer sends its reader. Raises FetchError when it must not be followed."""
    if left <= 0:
        raise FetchError(f"{target.origin} sends its readers on to another address, which is not followed.")
    following = target_of(urljoin(target.origin + target.path, location))
    if target.scheme == "https" and following.scheme == "http":
        raise FetchError(f"{target.origin} sends its readers on to an address without encryption.")
    return following


def is_public(address: str) -> bool:
    """Whether this numeric address is one of the open internet's, and not another in disguise."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in UNICAST:
            return False
    listed = any(found.version == network.version and found in network for network in REFUSED)
    return found.is_global and not found.is_multicast and not found.is_reserved and not listed


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


def system_addresses(host: str, port: int) -> list[str]:
    """The numeric addresses of a name, as the system knows them."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
