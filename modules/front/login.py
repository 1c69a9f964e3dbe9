"""Signing in and out: our own form, our own cookie, and patience with those who guess."""

import re
import time
import urllib.parse
from collections import deque

from modules.front.access import AccessRules
from modules.front.asgi import Header, Receive, Refused, Scope, Send, send_whole
from modules.front.bodies import check_declared_length, read_body
from modules.front.screens import login_screen
from modules.front.sessions import Sessions
from modules.limits import LIMITS

FORM_BYTES = 8 * 1024
FORM_FIELDS = 8
FREE_FAILURES = 5
WINDOW_SECONDS = 60.0
USER_CHARS = 200
CONVERSATION = re.compile(r"[0-9a-f]{1,64}")
HTML = b"text/html; charset=utf-8"


class Attempts:
    """Wrong guesses of the last minute, counted for all callers together: behind a share link they look alike."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FREE_FAILURES)

    def check(self) -> None:
        """Raises Refused 429 that says how long to wait."""
        if len(self._failures) < FREE_FAILURES:
            return
        wait_seconds = int(self._failures[0] + WINDOW_SECONDS - time.monotonic()) + 1
        if wait_seconds > 0:
            retry = ((b"retry-after", str(wait_seconds).encode()),)
            raise Refused(429, "Too many wrong tries. Wait a minute.", "too_many_tries", retry)

    def note_failure(self) -> None:
        self._failures.append(time.monotonic())


class Login:
    """Answers /login and /logout."""

    def __init__(self, rules: AccessRules, sessions: Sessions, attempts: Attempts) -> None:
        self._rules = rules
        self._sessions = sessions
        self._attempts = attempts

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, secure: bool) -> None:
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            raise Refused(405, "Only GET and POST are known here.", headers=((b"allow", b"GET, HEAD, POST"),))
        if scope["path"] == "/logout":
            await redirect(send, "/login", self._sessions.cookie_header("", secure=secure))
        elif self._rules.page_is_open:
            await redirect(send, "/")
        elif scope["method"] == "POST":
            check_declared_length(scope, FORM_BYTES)
            await self._sign_in(await read_body(receive, FORM_BYTES, LIMITS.body_seconds), send, secure=secure)
        else:
            query = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1"))
            await self._show(send, 200, conversation=conversation_in(query))

    async def _sign_in(self, body: bytes, send: Send, *, secure: bool) -> None:
        try:
            self._attempts.check()
        except Refused as refused:
            await self._show(send, refused.status, str(refused), refused.headers)
            return
        try:
            form = urllib.parse.parse_qs(body.decode("utf-8", "replace"), max_num_fields=FORM_FIELDS)
        except ValueError as error:
            raise Refused(400, f"The form has more than {FORM_FIELDS} fields, which is the limit.") from error
        user, secret = form.get("user", [""])[0], form.get("secret", [""])[0]
        conversation = conversation_in(form)
        if self._rules.accepts_login(user, secret):
            place = f"/?c={conversation}" if conversation else "/"
            await redirect(send, place, self._sessions.cookie_header(self._sessions.begin(), secure=secure))
        else:
            self._attempts.note_failure()
            await self._show(send, 401, "That is not right.", user=user, conversation=conversation)

    async def _show(
        self,
        send: Send,
        status: int,
        problem: str = "",
        headers: tuple[Header, ...] = (),
        *,
        user: str = "",
        conversation: str = "",
    ) -> None:
        asks_user = self._rules.auth is not None
        screen = login_screen(asks_user=asks_user, problem=problem, user=user[:USER_CHARS], conversation=conversation)
        await send_whole(send, status, screen, HTML, ((b"cache-control", b"no-store"), *headers))


def conversation_in(fields: dict[str, list[str]]) -> str:
    """The id of the conversation that was asked for before signing in; nothing else may steer where one lands."""
    value = fields.get("c", [""])[0]
    return value if CONVERSATION.fullmatch(value) else ""


async def redirect(send: Send, place: str, cookie: bytes | None = None) -> None:
    headers = [(b"location", place.encode()), (b"cache-control", b"no-store")]
    if cookie is not None:
        headers.append((b"set-cookie", cookie))
    await send_whole(send, 303, b"", b"text/plain", tuple(headers))
