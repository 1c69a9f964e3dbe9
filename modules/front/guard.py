"""The front guard: every request passes here first, whatever answers it in the end."""

import posixpath

from modules.front.access import AccessRules, Area, area_of, check_access
from modules.front.asgi import AsgiApp, Message, Receive, Refused, Scope, Send, error_body, header, send_whole
from modules.front.bodies import byte_limit, capped, check_declared_length, read_json_body, replayed
from modules.front.headers import with_safe_headers
from modules.front.hosts import SAFE_METHODS, HostRules
from modules.front.login import Login, redirect
from modules.front.sessions import Sessions, cookie_header, cookie_value
from modules.limits import LIMITS

JSON_AREAS: tuple[Area, ...] = ("api", "control")
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class Guard:
    """An ASGI application around another one. Streams pass through it chunk by chunk, untouched."""

    def __init__(self, inner: AsgiApp, rules: AccessRules, hosts: HostRules, sessions: Sessions) -> None:
        self._inner = inner
        self._rules = rules
        self._hosts = hosts
        self._sessions = sessions
        self._login = Login(rules, sessions)

    def allow_share(self, host: str) -> None:
        """The share link's host, once it is known."""
        self._hosts.allow_share(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._answer_websocket(scope, receive, send)
            return
        answered = AnswerWatch(with_safe_headers(send))
        try:
            await self._answer(scope, receive, answered.send)
        except Refused as refused:
            if not answered.begun:
                await self._refuse(scope, with_safe_headers(send), refused)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_path(scope)
        host = self._hosts.check_host(scope)
        area = area_of(scope["path"])
        if area != "health" or scope["method"] not in SAFE_METHODS:
            self._hosts.check_origin(scope)
        check_header_size(scope)
        check_declared_length(scope, byte_limit(scope))
        secure = bool(host) and host == self._hosts.share_host
        if area == "login":
            await self._login.answer(scope, receive, send, secure=secure)
            return
        check_access(scope, area, self._rules, self._sessions)
        if area == "page" and self._begins_session(scope):
            cookie = cookie_header(self._sessions.begin(), secure=secure)
            send = with_safe_headers(send, ((b"set-cookie", cookie),))
        await self._inner(scope, await checked_body(scope, receive, area), send)

    def _begins_session(self, scope: Scope) -> bool:
        """Where the page is open to all who reach it, a visit is a session, so that the page may use /control."""
        return (
            self._rules.page_is_open
            and scope["path"] == "/"
            and scope["method"] == "GET"
            and self._sessions.session_id(cookie_value(header(scope, b"cookie"))) is None
        )

    async def _refuse(self, scope: Scope, send: Send, refused: Refused) -> None:
        wants_page = scope["method"] in SAFE_METHODS and "text/html" in header(scope, b"accept")
        if refused.status == 401 and wants_page and area_of(scope["path"]) == "page":
            await redirect(send, "/login")
            return
        content = error_body(str(refused), refused.status, refused.code)
        await send_whole(send, refused.status, content, b"application/json", refused.headers)

    async def _answer_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing here speaks websocket to strangers: the same rules, and a plain refusal."""
        try:
            check_path(scope)
            self._hosts.check_host(scope)
            self._hosts.check_origin(scope)
            check_access(scope, area_of(scope["path"]), self._rules, self._sessions)
        except Refused:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._inner(scope, receive, send)


class AnswerWatch:
    """Knows whether an answer has begun, after which no other can be sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


async def checked_body(scope: Scope, receive: Receive, area: Area) -> Receive:
    """JSON is read and measured here; anything else is streamed on under its cap."""
    if scope["method"] not in BODY_METHODS:
        return receive
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        if area in JSON_AREAS:
            raise Refused(415, "The body must be JSON, sent as Content-Type: application/json.", "unsupported_media")
        return capped(receive, byte_limit(scope))
    return replayed(await read_json_body(receive, byte_limit(scope)), receive)


def check_path(scope: Scope) -> None:
    """One reading of the path for all: no dot segments, no backslash, no escaped slash, no control characters."""
    raw: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].lower()
    path: str = scope["path"]
    if (
        not path.startswith("/")
        or b"%2f" in raw
        or b"%5c" in raw
        or "\\" in path
        or "//" in path
        or not path.isprintable()
        or posixpath.normpath(path) != (path.rstrip("/") or "/")
    ):
        raise Refused(400, "The path is not written plainly.", "bad_path")


def check_header_size(scope: Scope) -> None:
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > LIMITS.header_bytes:
        raise Refused(431, f"The headers are larger than {LIMITS.header_bytes // 1024} KiB, which is the limit.")
