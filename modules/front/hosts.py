"""Which names this program answers to, and which pages may talk to it.

A foreign page reaches a local server by its address, or by a name of its own that it points here (DNS rebinding);
the Host header tells the second, Origin and Sec-Fetch-Site the first.
"""

import ipaddress
import re

from modules.errors import StartError
from modules.front.asgi import Refused, Scope, header, headers_named

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})
HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)(?::([0-9]{1,5}))?")
SAFE_METHODS = frozenset({"GET", "HEAD"})
NO_VISITS = ("/v1", "/control", "/ext/", "/ui/", "/gradio_api/", "/logout")
DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class HostRules:
    """The names are fixed at the start, but for a share link's host, which is known only once it is open."""

    def __init__(self, bind_host: str, configured: tuple[str, ...]) -> None:
        bound = () if bind_host in EVERY_ADDRESS else (bracketed(bind_host),)
        self._names = LOOPBACK | {name.lower() for name in (*bound, *map(configured_host, configured))}
        self._every_address = bind_host in EVERY_ADDRESS
        self._share_host = ""

    @property
    def share_host(self) -> str:
        return self._share_host

    def allow_share(self, host: str) -> None:
        self._share_host = host.lower()

    def check_host(self, scope: Scope) -> str:
        """The Host header's name. Raises Refused 400 when it is malformed, 403 when it is not ours."""
        values = headers_named(scope, b"host")
        match = HOST.fullmatch(values[0].decode("latin-1")) if len(values) == 1 else None
        if match is None or int(match.group(2) or 0) > 65_535:
            raise Refused(400, "The request needs exactly one valid Host header.", "bad_host")
        name = match.group(1).lower()
        if name in self._names or (self._share_host and name == self._share_host) or self._is_own_address(scope, name):
            return name
        raise Refused(403, "This host name is not allowed. Start with --allowed-hosts NAME to allow it.", "bad_host")

    def check_origin(self, scope: Scope) -> None:
        """Raises Refused 403 for a request that another page sends, key or no key."""
        origins = headers_named(scope, b"origin")
        if origins and not all(same_origin(value.decode("latin-1"), header(scope, b"host")) for value in origins):
            raise Refused(403, "Requests from other pages are not allowed.", "cross_origin")
        site = header(scope, b"sec-fetch-site").lower()
        if site in {"cross-site", "same-site"} and not is_visit(scope):
            raise Refused(403, "Requests from other pages are not allowed.", "cross_origin")

    def _is_own_address(self, scope: Scope, name: str) -> bool:
        """Listening on every address, a numeric Host is ours when the connection came to just that address."""
        server = scope.get("server")
        if not self._every_address or not server:
            return False
        try:
            return plain_address(name.strip("[]")) == plain_address(server[0])
        except ValueError:
            return False


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the server that the Host header names."""
    scheme, separator, place = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    if not separator or port is None:
        return False
    return with_port(place, port) == with_port(host.lower(), port)


def with_port(place: str, port: str) -> str:
    return place if re.search(r":\d+$", place) else f"{place}:{port}"


def is_visit(scope: Scope) -> bool:
    """A person following a link to the page: a top-level navigation that reads only."""
    return (
        scope["type"] == "http"
        and scope["method"] in SAFE_METHODS
        and header(scope, b"sec-fetch-mode") == "navigate"
        and header(scope, b"sec-fetch-dest") == "document"
        and not scope["path"].startswith(NO_VISITS)
    )


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def configured_host(name: str) -> str:
    """Raises StartError for what no Host header could name, such as a pattern or a URL."""
    host = bracketed(name)
    match = HOST.fullmatch(host)
    if match is None or match.group(2) is not None:
        raise StartError(f"--allowed-hosts: {name!r} is not a host name. Give bare names, without scheme and port.")
    return host


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A socket that listens for both families calls 192.0.2.1 ::ffff:192.0.2.1."""
    address = ipaddress.ip_address(text)
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
