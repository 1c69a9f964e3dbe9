"""The front guard: every request passes here first, whatever answers it in the end."""

import posixpath
from urllib.parse import parse_qs

from modules.front.access import AccessRules, Area, Identity, area_of, check_access
from modules.front.asgi import AsgiApp, Header, Message, Receive, Refused, Scope, Send, error_body, header, send_whole
from modules.front.bodies import (
    FORM_KINDS,
    Incoming,
    body_kind,
    bound_of,
    check_declared_length,
    check_depth,
    has_body,
    is_upload,
    read_body,
    replayed,
    streamed,
)
from modules.front.headers import SANDBOX, safe_headers
from modules.front.hosts import SAFE_METHODS, HostRules
from modules.front.login import Attempts, Login, conversation_in, redirect
from modules.front.sessions import Sessions
from modules.limits import LIMITS

JSON_AREAS: tuple[Area, ...] = ("api", "control")
# Two readers may each believe another one of them.
ONLY_ONCE = frozenset(
    {b"origin", b"authorization", b"x-api-key", b"content-type", b"content-length", b"sec-fetch-site"}
)
# Gradio would fetch for anyone who asks.
PROXY_PATHS = ("/proxy=", "/gradio_api/proxy=")
FRESH: Header = (b"cache-control", b"no-store")


class Guard:
    """An ASGI application around another one. Streams pass through it chunk by chunk, untouched.

    What it learnt of the caller is in `scope["parlor"]`, an Identity.
    """

    def __init__(self, inner: AsgiApp, rules: AccessRules, hosts: HostRules, sessions: Sessions) -> None:
        self._inner = inner
        self._rules = rules
        self._hosts = hosts
        self._sessions = sessions
        self._attempts = Attempts()
        self._login = Login(rules, sessions, self._attempts)

    def allow_share(self, host: str) -> None:
        """The share link's host, once it is known."""
        self._hosts.allow_share(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._answer_websocket(scope, receive, send)
            return
        incoming = Incoming(receive)
        answer = Answer(scope, incoming, send)
        try:
            await self._answer(scope, incoming.receive, answer)
        except Refused as refused:
            await answer.refuse(refused)
        except Exception:
            # An application stumbles over a body that was cut short; any other fault is one, and is logged behind us.
            if answer.refused:
                return
            await answer.refuse(Refused(500, "Something went wrong inside Parlor; its log says what.", "error"))
            raise

    async def _answer(self, scope: Scope, receive: Receive, answer: "Answer") -> None:
        check_path(scope)
        host = self._hosts.check_host(scope)
        check_headers(scope)
        area = area_of(scope["path"])
        if area != "health" or scope["method"] not in SAFE_METHODS:
            self._hosts.check_origin(scope)
        check_declared_length(scope, bound_of(scope).size_bytes)
        secure = bool(host) and host == self._hosts.share_host
        if area == "login":
            await self._login.answer(scope, receive, answer.send, secure=secure)
            return
        identity = check_access(scope, area, self._rules, self._sessions, self._attempts)
        if area == "extension":
            answer.add(SANDBOX)
            answer.add(FRESH)
        if scope["path"] == "/":
            answer.add(FRESH)
            if self._begins_session(scope, identity):
                cookie = self._sessions.begin()
                identity = Identity("page", self._sessions.session_id(cookie))
                answer.add((b"set-cookie", self._sessions.cookie_header(cookie, secure=secure)))
        scope["parlor"] = identity
        await self._inner(scope, await checked_body(scope, receive, area, answer), answer.send)

    def _begins_session(self, scope: Scope, identity: Identity) -> bool:
        """Where the page is open to all who reach it, a visit is a session, so that the page may use /control."""
        return self._rules.page_is_open and scope["method"] == "GET" and identity.session_id is None

    async def _answer_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same rules, and a plain refusal."""
        try:
            check_path(scope)
            self._hosts.check_host(scope)
            check_headers(scope)
            self._hosts.check_origin(scope)
            area = area_of(scope["path"])
            scope["parlor"] = check_access(scope, area, self._rules, self._sessions, self._attempts)
        except Refused:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._inner(scope, receive, send)


class Answer:
    """The one answer to a request: the application's, unless the guard refused before it began."""

    def __init__(self, scope: Scope, incoming: Incoming, send: Send) -> None:
        self._scope = scope
        self._incoming = incoming
        self._send = send
        self._added: tuple[Header, ...] = ()
        self._begun = False
        self.refused = False

    def add(self, line: Header) -> None:
        """A header of the answer to come, instead of the application's own (a cookie is set beside its cookies)."""
        self._added = (*self._added, line)

    async def send(self, message: Message) -> None:
        """Handed to the application as its `send`."""
        if self.refused:
            return
        if not self._begun:
            self._begun = True
            message["headers"] = safe_headers(message.get("headers", ()), self._added)
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        if self._begun:
            return
        if has_body(self._scope) and refused.status != 408:
            await self._incoming.drain()
        if refused.status == 401 and self._asks_for_page():
            query = parse_qs(self._scope.get("query_string", b"").decode("latin-1"))
            conversation = conversation_in(query)
            await redirect(self.send, f"/login?c={conversation}" if conversation else "/login")
        else:
            content = error_body(str(refused), refused.status, refused.code)
            await send_whole(self.send, refused.status, content, b"application/json", (*refused.headers, FRESH))
        self.refused = True

    def _asks_for_page(self) -> bool:
        reads = self._scope["method"] in SAFE_METHODS and "text/html" in header(self._scope, b"accept")
        return reads and area_of(self._scope["path"]) == "page"


async def checked_body(scope: Scope, receive: Receive, area: Area, answer: Answer) -> Receive:
    """Uploads are streamed on under their cap; anything else is read and measured here."""
    if not has_body(scope):
        return receive
    kind, bound = body_kind(scope), bound_of(scope)
    if is_upload(scope):
        return streamed(receive, bound, answer.refuse)
    if area in JSON_AREAS and kind != "application/json":
        raise Refused(415, "The body must be JSON, sent as Content-Type: application/json.", "unsupported_media")
    if kind == "multipart/form-data":
        return streamed(receive, bound, answer.refuse)
    body = await read_body(receive, bound.size_bytes, bound.seconds)
    # Whatever it is called: applications also read bodies without a type, or of kin, as JSON. Extensions get the bytes.
    if kind not in FORM_KINDS and (area != "extension" or kind == "application/json"):
        check_depth(body)
    return replayed(body, receive)


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
    if path.startswith(PROXY_PATHS):
        raise Refused(404, "Parlor fetches nothing for others.", "not_found")


def check_headers(scope: Scope) -> None:
    size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    seen: set[bytes] = set()
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name in seen and name in ONLY_ONCE:
            raise Refused(400, f"The header {name.decode()} is there twice; once is the limit.", "bad_header")
        seen.add(name)
    if size > LIMITS.header_bytes:
        raise Refused(
            431,
            f"The address and headers are larger than {LIMITS.header_bytes // 1024} KiB, which is the limit.",
            "headers_too_large",
        )
