"""Signing in and out: our own form, our own cookie, and patience with those who guess."""

import time
import urllib.parse
from collections import deque

from modules.front.access import AccessRules
from modules.front.asgi import Receive, Refused, Scope, Send, send_whole
from modules.front.bodies import read_json_body
from modules.front.screens import login_screen
from modules.front.sessions import Sessions, cookie_header

FORM_BYTES = 8 * 1024
FREE_FAILURES = 5
WINDOW_SECONDS = 60.0
HTML = b"text/html; charset=utf-8"


class Login:
    """Answers /login and /logout."""

    def __init__(self, rules: AccessRules, sessions: Sessions) -> None:
        self._rules = rules
        self._sessions = sessions
        self._failures: deque[float] = deque(maxlen=FREE_FAILURES)

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, secure: bool) -> None:
        if scope["path"] == "/logout":
            await redirect(send, "/login", cookie_header("", secure=secure))
        elif scope["method"] == "POST":
            await self._sign_in(receive, send, secure=secure)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._show(send, 200)
        else:
            raise Refused(405, "Only GET and POST are known here.")

    async def _sign_in(self, receive: Receive, send: Send, *, secure: bool) -> None:
        if self._is_guessing():
            await self._show(send, 429, "Too many wrong tries. Wait a minute.")
            return
        body = await read_json_body(receive, FORM_BYTES)
        form = urllib.parse.parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
        user, secret = form.get("user", [""])[0], form.get("secret", [""])[0]
        if self._rules.accepts_login(user, secret):
            await redirect(send, "/", cookie_header(self._sessions.begin(), secure=secure))
        else:
            self._failures.append(time.monotonic())
            await self._show(send, 401, "That is not right.")

    def _is_guessing(self) -> bool:
        """Counted for all callers together: behind a share link they look alike."""
        oldest = self._failures[0] if len(self._failures) == FREE_FAILURES else None
        return oldest is not None and time.monotonic() - oldest < WINDOW_SECONDS

    async def _show(self, send: Send, status: int, problem: str = "") -> None:
        screen = login_screen(asks_user=self._rules.auth is not None, problem=problem)
        await send_whole(send, status, screen, HTML, ((b"cache-control", b"no-store"),))


async def redirect(send: Send, place: str, cookie: bytes | None = None) -> None:
    headers = [(b"location", place.encode()), (b"cache-control", b"no-store")]
    if cookie is not None:
        headers.append((b"set-cookie", cookie))
    await send_whole(send, 303, b"", b"text/plain", tuple(headers))
