"""Who may come in: keys, passwords, sessions, and which of them each area needs."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Literal, Protocol

from modules.errors import StartError
from modules.front.asgi import Refused, Scope, header
from modules.front.sessions import Sessions
from modules.outbound.targets import is_loopback

Area = Literal["health", "login", "api", "control", "extension", "page"]
Kind = Literal["open", "page", "api", "admin"]
UNAUTHORIZED = "A valid key or a signed-in session is needed."


@dataclass(frozen=True)
class AccessRules:
    """What was set at the start; None where nothing was. `sharing` closes everything to those without a secret."""

    auth: tuple[str, str] | None = None
    api_key: str | None = None
    admin_key: str | None = None
    sharing: bool = False

    def __post_init__(self) -> None:
        """Raises StartError for a secret that is empty: a mistake, which must never mean `none`."""
        for flag, key in (("--api-key", self.api_key), ("--admin-key", self.admin_key)):
            if key is not None:
                check_secret(flag, key)
        if self.auth is not None:
            parse_auth(":".join(self.auth))

    @property
    def page_is_open(self) -> bool:
        return self.auth is None and self.api_key is None and not self.sharing

    @property
    def api_is_open(self) -> bool:
        return self.page_is_open

    @property
    def credentials(self) -> str:
        """What sessions depend on."""
        return f"{self.auth}{self.api_key}"

    def accepts_login(self, user: str, secret: str) -> bool:
        if self.auth is not None:
            return bool(equal(user, self.auth[0]) & equal(secret, self.auth[1]))
        return self.api_key is not None and equal(secret, self.api_key)


@dataclass(frozen=True)
class Identity:
    """Who is asking: `page` by a session, `api` and `admin` by their secrets, `open` where nothing was asked."""

    kind: Kind
    session_id: str | None = None

    @property
    def is_owner(self) -> bool:
        """Whoever may use /control."""
        return self.kind in {"page", "admin"}


class GuessLimit(Protocol):
    """Counts wrong guesses at a password that a person chose."""

    def check(self) -> None:
        """Raises Refused 429 after too many."""
        ...

    def note_failure(self) -> None: ...


def area_of(path: str) -> Area:
    """By the path as it came; `path` has no dot segments and no backslash."""
    if path == "/health":
        return "health"
    if path in {"/login", "/logout"}:
        return "login"
    if path == "/v1" or path.startswith("/v1/"):
        return "api"
    if path == "/control" or path.startswith("/control/"):
        return "control"
    if path == "/ext" or path.startswith("/ext/"):
        return "extension"
    return "page"


def check_access(scope: Scope, area: Area, rules: AccessRules, sessions: Sessions, guesses: GuessLimit) -> Identity:
    """Raises Refused 401, always with the same words for the same area.

    An extension's address lets in whoever /v1 does; those for the owner alone ask the identity for more.
    """
    if area in {"health", "login"}:
        return Identity("open")
    session_id = sessions.session_id(sessions.cookie_value(header(scope, b"cookie")))
    if session_id is not None:
        return Identity("page", session_id)
    if area == "page":
        if rules.page_is_open:
            return Identity("open")
        raise Refused(401, "Sign in first.", "not_signed_in")
    if has_key(scope, rules.admin_key):
        return Identity("admin")
    if area in {"api", "extension"}:
        if rules.api_is_open:
            return Identity("open")
        if has_key(scope, rules.api_key) or has_password(scope, rules, guesses):
            return Identity("api")
    hint = " Start with --admin-key to give a program access to /control." if area == "control" else ""
    raise Refused(401, UNAUTHORIZED + hint, "invalid_api_key", ((b"www-authenticate", b"Bearer"),))


def has_key(scope: Scope, key: str | None) -> bool:
    if key is None:
        return False
    scheme, _, bearer = header(scope, b"authorization").partition(" ")
    given = [bearer if scheme.lower() == "bearer" else "", header(scope, b"x-api-key")]
    return True in [equal(one, key) for one in given]


def has_password(scope: Scope, rules: AccessRules, guesses: GuessLimit) -> bool:
    """By HTTP Basic, for programs where there is a password but no key."""
    scheme, _, encoded = header(scope, b"authorization").partition(" ")
    if scheme.lower() != "basic" or rules.auth is None or rules.api_key is not None:
        return False
    guesses.check()
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    if rules.accepts_login(user, password):
        return True
    guesses.note_failure()
    return False


def equal(given: str, secret: str) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())


def check_exposure(host: str, rules: AccessRules) -> None:
    """Raises StartError for an address that others can reach while nothing is asked of them."""
    if rules.page_is_open and not is_loopback(host):
        raise StartError(
            f"--host {host} lets other machines in, so a secret is needed: add --auth USER:PASSWORD, or --api-key KEY."
        )


def check_secret(flag: str, value: str) -> str:
    """Raises StartError for what cannot be a key; an empty one is a mistake, never `off`."""
    if not value.strip() or value != value.strip() or not value.isascii() or not value.isprintable():
        raise StartError(f"{flag} needs a key of printable ASCII characters that does not begin or end with a space.")
    return value


def parse_auth(value: str) -> tuple[str, str]:
    user, separator, password = value.partition(":")
    if not separator or not user.strip() or not password.strip() or not value.isprintable():
        raise StartError("--auth needs USER:PASSWORD, neither of them empty, without control characters.")
    return user, password
