"""Where the program listens, and the addresses under which it is opened from here and from elsewhere."""

import os
import socket

from modules.errors import StartError
from modules.front.hosts import EVERY_ADDRESS, bracketed

BACKLOG = 128
# Of documentation: nobody has them, and nothing is sent there.
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def listen(host: str, port: int) -> socket.socket:
    """Raises StartError when the address cannot be had."""
    listener = socket.socket(family_of(host), socket.SOCK_STREAM)
    if os.name != "nt":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(
            f"Port {port} on {host} cannot be used: {error.strerror}. Is another copy running? "
            "Choose another with --port, or --port 0 for any free one."
        ) from error
    return listener


def own_url(host: str, port: int) -> str:
    """For a browser on this machine."""
    return url_of(LOOPBACK[family_of(host)] if host in EVERY_ADDRESS else host, port)


def outside_url(host: str, port: int) -> str | None:
    """For other machines, where the program listens on every address; None elsewhere, and without a network."""
    if host not in EVERY_ADDRESS:
        return None
    family = family_of(host)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Only asks the system which of its addresses leads out.
            probe.connect((ELSEWHERE[family], port))
        except OSError:
            return None
        return url_of(probe.getsockname()[0], port)


def url_of(host: str, port: int) -> str:
    return f"http://{bracketed(host)}:{port}"


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
