"""Signed session cookies: nothing is stored on the server but the secret they are signed with."""

import base64
import hashlib
import hmac
import secrets
import time
from contextlib import suppress
from pathlib import Path

from modules.errors import StorageError
from modules.storage.files import write_atomically

LIFETIME_SECONDS = 30 * 24 * 3600
SECRET_BYTES = 32


class Sessions:
    """`credentials` are part of the key, so that a changed password ends the sessions made with the old one.

    Browsers keep one set of cookies for all ports of a host, so the name holds the `port`: two Parlors on one machine
    must not sign each other's people out.
    """

    def __init__(self, secret: bytes, credentials: str, port: int) -> None:
        self._key = hashlib.sha256(secret + credentials.encode()).digest()
        self.cookie_name = f"parlor_session_{port}"

    def begin(self) -> str:
        """A cookie's value for a new session."""
        content = f"{secrets.token_urlsafe(18)}.{int(time.time())}"
        return f"{content}.{self._signature(content)}"

    def session_id(self, cookie: str) -> str | None:
        """The session of a cookie's value, None when it is forged, changed or too old."""
        content, _, signature = cookie.rpartition(".")
        if not cookie.isascii() or not hmac.compare_digest(signature, self._signature(content)):
            return None
        identity, _, issued = content.partition(".")
        return identity if int(issued) + LIFETIME_SECONDS > time.time() else None

    def cookie_header(self, value: str, *, secure: bool) -> bytes:
        """An empty value ends the session. SameSite=Lax, not Strict: who follows a link here must not sign in again."""
        parts = [f"{self.cookie_name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
        parts.append(f"Max-Age={LIFETIME_SECONDS if value else 0}")
        return "; ".join([*parts, "Secure"] if secure else parts).encode()

    def cookie_value(self, cookies: str) -> str:
        """Ours among a request's cookies; empty when it is not there."""
        for part in cookies.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.cookie_name:
                return value
        return ""

    def _signature(self, content: str) -> str:
        digest = hmac.new(self._key, content.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def load_secret(path: Path) -> bytes:
    """The secret of this data folder, made at the first start; lives in memory where the folder cannot be written."""
    with suppress(OSError):
        secret = path.read_bytes()
        if len(secret) == SECRET_BYTES:
            return secret
    secret = secrets.token_bytes(SECRET_BYTES)
    with suppress(StorageError):
        write_atomically(path, secret)
    return secret
