"""Questions to the configured hub: bounded answers, an end to patience, the token for its origin only.

All of it goes through huggingface_hub's own session, so that its offline switch, proxies and certificates hold.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from modules.errors import BadRequest, HubAccessError, HubError, NotFound

AGENT = "parlor"
CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 10.0
MAX_REDIRECTS = 5
MAX_JSON_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
Parameters = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class HubAnswer:
    """`next` is the address of the next page as the hub links it, empty after the last."""

    content: bytes
    next: str = ""

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise HubError("The hub's answer could not be understood: it is not valid JSON.") from error


def origin_of(address: str) -> Origin:
    """Scheme, host and port; raises BadRequest for what is no http or https address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    # What programs read differently is nobody's origin.
    plain = address.isascii() and address.isprintable() and not {" ", "\\"} & set(address)
    if not plain or parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        raise BadRequest(
            "The hub's address must be like https://huggingface.co, without a name or password.", field="hub_endpoint"
        )
    return parts.scheme, parts.hostname.lower(), port or DEFAULT_PORTS[parts.scheme]


class HubConnection:
    """Any thread. `token` is asked for each time, so that it may change."""

    def __init__(self, endpoint: str, token: Callable[[], str | None]) -> None:
        """Raises BadRequest when the endpoint is no http or https address."""
        self.endpoint = endpoint.rstrip("/")
        self.origin = origin_of(self.endpoint)
        self._token = token

    def __repr__(self) -> str:
        return f"HubConnection({self.endpoint!r})"

    @property
    def host(self) -> str:
        return self.origin[1]

    def has_token(self) -> bool:
        return bool(self._token())

    def headers_for(self, address: str) -> dict[str, str]:
        """Who asks, and the token where the address is of the hub's own origin. Nothing else is told."""
        token = self._token() if self.is_own(address) else None
        return {"user-agent": AGENT, **({"authorization": f"Bearer {token}"} if token else {})}

    def is_own(self, address: str) -> bool:
        try:
            return origin_of(address) == self.origin
        except BadRequest:
            return False

    def get(
        self,
        path: str,
        parameters: Parameters | None = None,
        limit_bytes: int = MAX_JSON_BYTES,
        first_bytes: int | None = None,
    ) -> HubAnswer:
        """What the hub says at a path; with `first_bytes` only the beginning of a file is asked for, and returned.

        Raises NotFound, HubAccessError, or HubError: unreachable, offline, too slow, too long, refused.
        """
        headers = {} if first_bytes is None else {"range": f"bytes=0-{first_bytes - 1}", "accept-encoding": "identity"}
        deadline = time.monotonic() + ANSWER_SECONDS
        with self.stream(path, headers, ANSWER_SECONDS, parameters) as response:
            if not response.is_success:
                raise self.refusal(response)
            link = response.links.get("next", {}).get("url", "")
            return HubAnswer(read_within(response, limit_bytes, deadline, first_bytes), link)

    @contextmanager
    def stream(
        self,
        path: str,
        headers: Mapping[str, str],
        patience: float,
        parameters: Parameters | None = None,
    ) -> Generator[Any]:
        """The answer at the end of all redirects, whatever its status, with its body to be read.

        `patience` is for each piece of it. Raises as `get` does, also for what goes wrong inside the `with`.
        """
        address = self.endpoint + path
        with self._told():
            for _ in range(MAX_REDIRECTS + 1):
                with self._open(address, headers, parameters, patience) as response:
                    if not response.has_redirect_location:
                        yield response
                        return
                    address, parameters = self.redirected(address, response.headers["location"]), None
            raise HubError(f"{self.host} sends from one address to the next without an end.")

    @contextmanager
    def api(self) -> Generator[Any]:
        """huggingface_hub's own client, for what takes more than a question: its session, this hub, this token.

        Raises as `get` does, also for what goes wrong inside the `with`; HubAccessError without a token.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        token = self._token()
        if not token:
            raise HubAccessError(f"{self.host} wants a token of yours that may write. Give Parlor one.")
        if not is_resolved_in_time(self.endpoint):
            raise self._unreachable()
        with self._told():
            try:
                yield HfApi(self.endpoint, token=token, headers={"user-agent": AGENT})
            except HfHubHTTPError as error:
                # Its own words may hold addresses.
                raise self.refusal(error.response) from error

    def refusal(self, response: Any) -> HubError | NotFound:
        """The error for an answer that is none. Its body is not read: it may be of any size and kind."""
        return refused(self.host, response.status_code, response.headers.get("x-error-code", ""))

    @contextmanager
    def _open(
        self, address: str, headers: Mapping[str, str], parameters: Parameters | None, patience: float
    ) -> Generator[Any]:
        from huggingface_hub.utils import get_session

        if not is_resolved_in_time(address):
            raise self._unreachable()
        session = get_session()
        told = {**headers, **self.headers_for(address)}
        timeout = (CONNECT_SECONDS, patience, patience, patience)
        request = session.build_request("GET", address, params=parameters, headers=told, timeout=timeout)
        try:
            response = session.send(request, stream=True, follow_redirects=False)
        except RuntimeError as error:
            # The library shares one session, and closes it when a connection of another thread fails.
            raise self._unreachable() from error
        try:
            yield response
        finally:
            response.close()

    def redirected(self, address: str, location: str) -> str:
        """Where a redirect leads. Elsewhere is fine, as files lie on other hosts, but the token stays behind."""
        try:
            target = urljoin(address, location)
            scheme = origin_of(target)[0]
        except (ValueError, BadRequest):
            target = scheme = ""
        if not scheme or (scheme == "http" and address.startswith("https:")):
            raise HubError(f"{self.host} sends to an address that is not safe to follow.")
        return target

    @contextmanager
    def _told(self) -> Generator[None]:
        """Errors of the network as sentences; neither address nor token appears in them."""
        import httpx2
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            yield
        except OfflineModeIsEnabled as error:
            raise HubError("HF_HUB_OFFLINE is set, so the model hub is not asked. Unset it to go online.") from error
        except httpx2.TimeoutException as error:
            raise HubError(f"{self.host} did not answer in time. Check the connection and try again.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._unreachable() from error

    def _unreachable(self) -> HubError:
        return HubError(f"{self.host} cannot be reached. Check the connection; local models work without it.")


def refused(host: str, status: int, code: str) -> HubError | NotFound:
    """By the hub's own word for it, else by the status."""
    match code:
        case "GatedRepo":
            return HubAccessError(
                "This repository is gated: accept its terms on its page on the hub, and give Parlor a token of yours "
                "that may read it."
            )
        case "RevisionNotFound":
            return NotFound("The repository has no branch, tag or commit of that name.", field="revision")
        case "EntryNotFound":
            return NotFound("The repository has no file of that name.", field="file")
        case "RepoNotFound":
            return NotFound(
                f"{host} has no model of that name, or it is private and needs a token that may read it.",
                field="repository",
            )
        case _:
            return refused_by_status(host, status)


def refused_by_status(host: str, status: int) -> HubError | NotFound:
    if status == 401:
        return HubAccessError(f"{host} asks for a valid token. Give Parlor one of yours, or a new one.")
    if status in {403, 451}:
        return HubAccessError(f"{host} does not allow this: the token may not read it, or access is switched off.")
    if status == 404:
        return NotFound(f"{host} has nothing of that name.", field="repository")
    if status == 429:
        return HubError(f"{host} asks to wait: too many requests. Try again in a few minutes.")
    if status >= 500:
        return HubError(f"{host} has trouble of its own (status {status}). Try again later.")
    return HubError(f"{host} refused the request (status {status}).")


def is_resolved_in_time(address: str) -> bool:
    """Whether the system found the host's address, or that there is none, before our patience ended.

    The session's own time-outs begin after that, and some systems look for half a minute. A proxy looks by itself.
    """
    if PROXIES & {name.lower() for name in os.environ}:
        return True
    _, host, port = origin_of(address)

    def look() -> None:
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    looking = threading.Thread(target=look, daemon=True, name="hub-address")
    looking.start()
    looking.join(CONNECT_SECONDS)
    return not looking.is_alive()


def read_within(response: Any, limit_bytes: int, deadline: float, first_bytes: int | None) -> bytes:
    """The body, decoded; only its beginning when `first_bytes` is given, also from a server that ignores ranges."""
    content = bytearray()
    for chunk in response.iter_bytes(CHUNK_BYTES):
        content += chunk
        if first_bytes is not None and len(content) >= first_bytes:
            return bytes(content[:first_bytes])
        if len(content) > limit_bytes:
            raise HubError(f"The hub's answer is longer than {limit_bytes // 2**20} MiB, which is the limit.")
        if time.monotonic() > deadline:
            raise HubError("The hub's answer takes too long. Try again later.")
    return bytes(content)
