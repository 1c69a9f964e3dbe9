"""Addresses: taken apart by one parser, and which of them lead out of the private world."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from modules.errors import FetchError

SCHEMES = {"http": 80, "https": 443}
URL_CHARS = 2000
EXAMPLE = "Write it as http://192.168.1.20:8000 or https://models.example.com."
UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Addresses in which others are hidden (Teredo, 6to4), and what a cloud tells its machines at a public address.
REFUSED = tuple(ipaddress.ip_network(text) for text in ("2001::/32", "2002::/16", "168.63.129.16/32", "192.88.99.0/24"))


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


def target_of(url: str) -> Target:
    """Raises FetchError for anything but a plain http or https address, with what to write instead."""
    if len(url) > URL_CHARS:
        raise FetchError(f"An address has at most {URL_CHARS:,} characters; this one has {len(url):,}.")
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise FetchError(f"An address holds no blanks and no backslashes. {EXAMPLE}")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError as error:
        raise FetchError(
            f"The host or port of this address cannot be read; ports go from 1 to 65,535. {EXAMPLE}"
        ) from error
    if parts.scheme not in SCHEMES:
        raise FetchError(f"An address begins with http:// or https://. {EXAMPLE}")
    if "@" in parts.netloc:
        raise FetchError("An address must not hold a user name or a password. Leave out what stands before the @.")
    if port == 0:
        raise FetchError("Port 0 is none; ports go from 1 to 65,535.")
    try:
        ascii_host = host if ":" in host else host.encode("idna").decode("ascii").rstrip(".")
    except UnicodeError as error:
        raise FetchError(f"The host of this address cannot be read. {EXAMPLE}") from error
    if not ascii_host or "%" in ascii_host:
        raise FetchError(f"This address names no host. {EXAMPLE}")
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


def system_addresses(host: str, port: int) -> list[str]:
    """The numeric addresses of a name, as the system knows them."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_loopback(host: str) -> bool:
    """Whether a host, as it is written, is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
